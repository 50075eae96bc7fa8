service-reveal = 查看完整个人信息
service-reveal-purpose = 查看用途
service-reveal-purpose-help = 例如“电话通知补交材料”。用途会记录并让申请人看到，15 分钟内有效。
service-reveal-purpose-missing = 请写明查看用途，2 至 200 个字，例如“电话通知补交材料”。
service-reveal-open = 完整信息显示到 { $until }，本次查看已记录。
service-reveals = 谁查看过您的完整信息
service-reveals-none = 还没有人查看。工作人员平时只能看到遮盖后的证件号码和电话。
service-reveals-text = 工作人员平时只能看到遮盖后的证件号码和电话；查看完整信息须写明用途，并记录在这里。
