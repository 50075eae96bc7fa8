# 菜单与页签
identity-menu-account = 我的账号
identity-menu-users = 用户管理
identity-menu-audit = 审计日志
identity-account = 我的账号
identity-tab-account = 基本信息
identity-tab-security = 登录与安全
identity-tab-agents = 经办人与代办人
identity-tab-tokens = 访问令牌

# 通用
identity-act = 操作
identity-yes = 有
identity-no = 无
identity-state = 状态
identity-from = 开始日期
identity-until = 截止日期
identity-since = 开始时间
identity-validity = 有效期
identity-valid = 有效
identity-over = 已结束
identity-days = { $from } 至 { $until }
identity-days-open = 自 { $from } 起长期有效

# 登录
identity-sign-in = 登录
identity-sign-in-anew = 重新输入用户名和密码
identity-no-account = 还没有账号？
identity-have-account = 已有账号？
identity-login = 用户名
identity-login-help = 3 至 40 个字符，以字母开头，可用字母、数字和 - _ . 符号。
identity-login-or-code = 用户名或公民身份号码
identity-password = 密码
identity-code-title = 输入动态验证码
identity-sign-in-wrong = 用户名或密码不正确。请核对后重新输入；连续多次错误将暂停登录。
identity-sign-in-locked = 错误次数过多，已暂停登录。请在 { $minutes } 分钟后再试。
identity-sign-in-over = 登录已超时。请重新输入用户名和密码。
identity-user-disabled = 该账号已停用，不能登录。请联系管理员启用。

# 注册
identity-register = 注册
identity-register-intro = 注册个人账号后即可在线申办事项。企业由其法定代表人登录后绑定。
identity-name = 姓名
identity-name-help = 与身份证件上的姓名一致。
identity-code = 公民身份号码
identity-code-help = 18 位，最后一位可以是 X。
identity-phone = 手机号码
identity-address = 地址
identity-name-unreadable = 姓名应为 2 至 60 个字符。请按身份证件填写。
identity-phone-unreadable = 手机号码应为以 1 开头的 11 位数字。请核对后重新填写。
identity-login-unreadable = 用户名应为 3 至 40 个字符，以字母开头，只含字母、数字和 - _ . 符号。请换一个用户名。
identity-register-login-taken = 该用户名已被使用。请换一个用户名。
identity-register-already = 该公民身份号码已注册账号。请直接登录，忘记密码请到政务服务窗口办理。
identity-register-name-differs = 姓名与公民身份号码不一致。请按身份证件核对；登记有误的，请到公安机关更正。
identity-verify = 实名核验
identity-verify-intro = 您的账号尚未通过实名核验，暂时不能提交申请。
identity-verify-officer = 政务人员账号无需实名核验，由管理员维护。
identity-verify-differs = 姓名与公民身份号码不一致，未通过核验。请到政务服务窗口更正账号信息。
identity-verify-unknown = 人口库中暂无该公民身份号码，未通过核验。请过后再试，或到政务服务窗口核验。

# 密码
identity-password-help = 至少 10 个字符，含小写字母、大写字母、数字、符号中的三种，不含姓名、用户名、证件号码。
identity-password-repeat = 再次输入密码
identity-password-repeat-differs = 两次输入的密码不一致。请重新输入。
identity-password-short = 密码至少 10 个字符。请加长密码。
identity-password-long = 密码最多 128 个字符。请缩短密码。
identity-password-plain = 密码须含小写字母、大写字母、数字、符号中的三种。请换一个密码。
identity-password-contains-name = 密码不能包含姓名、用户名、手机号码或证件号码。请换一个密码。
identity-password-change = 修改密码
identity-password-present = 当前密码
identity-password-present-wrong = 当前密码不正确。请核对后重新输入。
identity-password-new = 新密码
identity-password-same = 新密码与当前密码相同。请换一个密码。
identity-password-first = 初始密码

# 第二因素
identity-second-factor = 动态验证码
identity-second-factor-on = 已启用
identity-second-factor-intro = 启用后，登录时除密码外还须输入手机验证器上的 6 位动态验证码。
identity-second-factor-add = 启用动态验证码
identity-second-factor-scan = 请用验证器应用扫描二维码，再输入应用上显示的 6 位数字。
identity-second-factor-qr = 供验证器应用扫描的二维码
identity-second-factor-secret = 不能扫描时，请在应用中输入密钥：
identity-second-factor-confirm = 确认启用
identity-second-factor-code = 动态验证码
identity-second-factor-code-help = 验证器应用上显示的 6 位数字，每 30 秒更换一次。
identity-second-factor-code-wrong = 动态验证码不正确或已使用过。请输入应用上当前显示的 6 位数字，并确认手机时间准确。
identity-second-factor-remove = 停用动态验证码
identity-second-factor-remove-intro = 停用后登录只需密码。停用前请输入密码和动态验证码。
identity-second-factor-already = 动态验证码已经启用。如需更换，请先停用。
identity-second-factor-none = 动态验证码尚未启用，无需停用。
identity-second-factor-no-key = 本系统未配置动态验证码密钥，暂不能启用。请联系管理员配置。
identity-posts-withheld = 政务人员须启用动态验证码并重新验证后，岗位权限才能生效。请在下方启用；已启用的，请重新登录。

# 会话
identity-sessions = 登录设备
identity-sessions-intro = 以下设备正在使用您的账号。如有不认识的设备，请结束其登录并修改密码。
identity-device = 设备
identity-address-of-session = 网络地址
identity-seen = 最近使用
identity-session-current = 本设备
identity-session-end = 结束登录
identity-session-end-of = 结束登录：{ $device }

# 令牌
identity-tokens-intro = 程序可凭访问令牌以您的身份调用接口。令牌等同于您的账号，请妥善保管，不用时及时撤销。
identity-tokens-none = 还没有访问令牌。需要程序调用接口时，请在下方新建。
identity-token-new = 新建令牌
identity-token-label = 用途
identity-token-label-help = 例如“夜间数据导出”，便于日后识别。
identity-token-label-missing = 用途不能为空，且不超过 100 个字符。请填写用途。
identity-token-days = 有效天数
identity-token-days-outside = 有效天数应为 1 至 { $most } 天。请重新填写。
identity-token-scope = 权限
identity-token-scope-all = 全部（与本人相同，但不能管理密码和令牌）
identity-token-scope-read = 只读
identity-token-used = 最近使用
identity-token-revoke = 撤销
identity-token-revoke-of = 撤销令牌：{ $label }
identity-token-shown = 令牌已创建
identity-token-shown-once = 请立即复制保存。令牌只显示这一次，离开本页后无法再次查看。

# 账号与身份切换
identity-profile = 基本信息
identity-level = 实名等级
identity-level-0 = 0 级（未注册）
identity-level-1 = 1 级（信息由本人填写）
identity-level-2 = 2 级（姓名与号码已核验）
identity-level-3 = 3 级（本人已核验）
identity-level-4 = 4 级（证书或窗口核验）
identity-acting = 办事身份
identity-acting-intro = 您可以以本人身份办事，也可以以所代表的企业或委托人的身份办事。当前身份显示在每个页面顶部。
identity-party = 主体
identity-party-code = 证件号码
identity-acting-self = （本人）
identity-acting-now = 当前身份
identity-acting-switch = 切换
identity-acting-for-name = 切换为 { $name }
identity-acting-not-appointed = 您不是该主体的经办人，或授权已到期。请联系对方重新授权。
identity-firm = 绑定企业
identity-firm-intro = 您是企业法定代表人的，填写企业名称和统一社会信用代码即可绑定。
identity-firm-name = 企业名称
identity-firm-code = 统一社会信用代码
identity-firm-bind = 绑定
identity-firm-unknown = 法人库中没有该统一社会信用代码。请核对代码；新设企业请在登记次日再试。
identity-firm-name-differs = 企业名称与统一社会信用代码不一致。请按营业执照填写。
identity-firm-not-representative = 您不是该企业登记的法定代表人，不能绑定。请由法定代表人绑定后授权您为经办人。

# 经办人
identity-agents-of = { $name } 的经办人与代办人
identity-agents-none = 还没有授权任何人。
identity-agents-not-yours = 您不能为当前主体授权
identity-agents-not-yours-help = 企业的经办人由其法定代表人授权。如需为本人授权，请先切换到本人身份。
identity-appoint = 授权
identity-appoint-intro = 被授权人须已注册个人账号。授权后，对方可以以您（或您的企业）的身份办事，每一步都会同时记录双方。
identity-role = 身份
identity-role-representative = 法定代表人
identity-role-agent = 经办人
identity-role-proxy = 代办人
identity-scope = 授权事项
identity-scope-help = 填写事项编码，多个编码以空格分隔；* 表示全部事项。
identity-scope-everything = 全部事项
identity-dismiss = 撤销授权
identity-dismiss-name = 撤销对 { $name } 的授权
identity-agent-unknown = 没有该用户名与姓名相符的个人账号。请与对方核对用户名和姓名。
identity-agent-oneself = 不能授权给自己。请填写他人的用户名。
identity-agent-day-unreadable = 日期应写作 2026-03-02 的形式。请重新填写。
identity-agent-ends-before-it-begins = 截止日期不能早于开始日期。请重新填写。
identity-agent-already-over = 截止日期不能早于今天。请重新填写。
identity-agent-representative-stays = 法定代表人由登记机关变更，不能在此撤销。请先办理变更登记。
identity-agent-out-of-scope = 您的授权不包括该事项。请联系授权人扩大授权范围，或切换到本人身份办理。

# 用户管理
identity-users-search = 按用户名或姓名查找
identity-users-none = 没有符合条件的用户
identity-users-none-help = 请换一个关键词，或清空后查看全部用户。
identity-user-new = 新建政务人员账号
identity-user-create = 创建账号
identity-kind = 类别
identity-kind-officer = 政务人员
identity-kind-citizen = 个人
identity-post = 岗位
identity-posts = 岗位
identity-posts-none = 该账号没有任何岗位，不能办理业务。请在下方指定岗位。
identity-post-clerk = 窗口受理
identity-post-examiner = 审查
identity-post-approver = 审批
identity-post-supervisor = 监督
identity-post-steward = 数据管理
identity-post-operator = 系统管理员
identity-post-integrator = 外部系统对接
identity-post-security = 安全管理员
identity-post-auditor = 审计管理员
identity-post-oneself = 不能更改自己的岗位，请找另一位安全管理员。
identity-post-apart = 系统管理员、安全管理员、审计管理员三员分立，一人不能兼任其中两个岗位。请先撤销另一个岗位。
identity-sessions-end-intro = 该人员已登录的所有浏览器将立即退出；之后仍可重新登录。
identity-sessions-end = 结束全部会话
identity-audit-text = 所有事件按封存日志的顺序排列，最新的在前。“tongban audit verify”可证明日志未被改写。
identity-audit-position = 序号
identity-audit-at = 时间
identity-audit-kind = 类型
identity-audit-subject = 对象
identity-audit-actor = 操作者
identity-audit-data = 内容
identity-audit-show = 查看
identity-audit-none = 没有符合条件的事件
identity-audit-none-help = 清空条件可查看全部事件。
identity-post-assign = 指定岗位
identity-post-remove = 取消
identity-post-remove-of = 取消岗位：{ $post }，{ $org }
identity-post-unknown = 没有这一岗位。请从列表中选择。
identity-post-citizen = 个人账号不能担任岗位。请为其另建政务人员账号。
identity-organisation = 单位
identity-organisation-unknown = 没有该单位。请从列表中选择。
identity-access = 登录权限
identity-enabled = 正常
identity-disabled = 已停用
identity-disable = 停用账号
identity-disable-intro = 停用后立即结束其全部登录和令牌，直至重新启用。
identity-disable-oneself = 不能停用自己的账号。请由另一位系统管理员操作。
identity-enable = 启用账号
identity-enable-intro = 启用后该用户可以重新登录。

# 已完成
identity-done-registered = 注册成功。请登录。
identity-done-verified = 实名核验通过。
identity-done-acting = 办事身份已切换。
identity-done-firm = 企业已绑定，可以切换到企业身份办事。
identity-done-appointed = 授权已生效。
identity-done-dismissed = 授权已撤销。
identity-done-password = 密码已修改，其他设备上的登录已结束。
identity-done-factor = 动态验证码已启用。
identity-done-factor-removed = 动态验证码已停用。
identity-done-session = 该设备的登录已结束。
identity-done-token = 令牌已撤销。
identity-done-user = 已保存。
identity-done-created = 账号已创建。请指定岗位。

# 配置
identity-policy-unreadable = 权限策略文件有误：{ $reason }。请按提示修改后重新启动。
