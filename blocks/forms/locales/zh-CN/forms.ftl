forms-yes = 是
forms-no = 否
forms-list-mark = 、
forms-from = 来自：{ $register }
forms-change = 修改
forms-remove = 移除
forms-upload = 上传所选文件
forms-sample = 查看空白表格或示例
forms-exempt = 免提交
forms-handed-in = 已提交：{ $title }
forms-use-certificate = 使用电子证照：{ $title }
forms-file-help = 支持 { $kinds }，单个文件不超过 { $size }，最多 { $count } 个。

forms-required = 请填写“{ $zh }”。
forms-required-choice = 请选择“{ $zh }”。
forms-required-file = 请上传“{ $zh }”，或使用可替代的电子证照。
forms-must-agree = 请勾选“{ $zh }”后继续。
forms-too-short = “{ $zh }”至少 { $limit } 个字，请补充完整。
forms-too-long = “{ $zh }”最多 { $limit } 个字，请精简后再填。
forms-minimum = “{ $zh }”不能小于 { $limit }，请核对后重新填写。
forms-maximum = “{ $zh }”不能大于 { $limit }，请核对后重新填写。
forms-above = “{ $zh }”应大于 { $limit }，请核对后重新填写。
forms-below = “{ $zh }”应小于 { $limit }，请核对后重新填写。
forms-multiple = “{ $zh }”应为 { $limit } 的整数倍，请核对后重新填写。
forms-choose-more = “{ $zh }”至少选择 { $limit } 项。
forms-choose-fewer = “{ $zh }”最多选择 { $limit } 项，请取消多余的选项。
forms-choice = “{ $zh }”请从给出的选项中选择。
forms-pattern = “{ $zh }”格式不正确，请按填写说明重新填写。
forms-pattern-help = “{ $zh }”格式不正确：{ $help_zh }
forms-number = “{ $zh }”应为数字，例如 12.5。
forms-whole-number = “{ $zh }”应为整数，例如 12。
forms-money = “{ $zh }”应为金额，单位元，最多两位小数，例如 1234.50。
forms-date = “{ $zh }”应为日期，例如 2026-03-02。
forms-phone = “{ $zh }”应为 11 位手机号码，或带区号的固定电话，例如 010-12345678。
forms-email = “{ $zh }”应为电子邮箱地址，例如 name@example.com。
forms-industry = “{ $zh }”应为国民经济行业代码，例如 H6210。
forms-type = “{ $zh }”填写的内容无法识别，请重新填写。
forms-unusable = “{ $zh }”的校验规则有误，暂时无法提交，请联系窗口。

forms-file-few = “{ $zh }”至少需要 { $limit } 个文件，请继续上传。
forms-file-count = “{ $zh }”最多 { $limit } 个文件，请先移除多余的文件。
forms-file-field = 没有名为 { $name } 的文件问题，请刷新页面后再上传。

forms-upload-broken = 上传中断，已保存之前的内容。请重新选择文件后再提交。

forms-draft-changed = 这份草稿已在另一台设备上修改。请刷新页面，看过最新内容后再保存。
forms-draft-closed = 这份草稿已经提交，不能再修改。请在“我的办件”中查看。
forms-draft-expired = 这份草稿已超过保存期限。请重新开始办理。
forms-draft-unknown-fields = 表单中没有这些字段：{ $names }。请核对字段名。
forms-draft-too-big = 草稿内容超过 { $limit }，请精简后再保存。

forms-form-json = 表单不是有效的 JSON（第 { $line } 行）：{ $reason }。请修正后再安装。
forms-form-wrong = 表单定义有误：{ $reason }。请按位置修正。
