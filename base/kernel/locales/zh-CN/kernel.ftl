# 公民身份号码
kernel-citizen-length = 公民身份号码应为 18 位，现为 { $found } 位。请对照身份证逐位核对。
kernel-citizen-charset = 公民身份号码前 17 位应为数字，末位为数字或 X。请去掉其他字符。
kernel-citizen-region = 公民身份号码前六位不是曾经使用过的行政区划代码。请对照身份证核对前六位。
kernel-citizen-date = 公民身份号码第 7 至 14 位不是存在的日期。请对照身份证核对出生日期。
kernel-citizen-date-range = 公民身份号码中的出生日期应在 1850 年以后且不晚于今天。请核对第 7 至 14 位。
kernel-citizen-check = 公民身份号码的校验位不符，其中有一位填错。请对照身份证逐位核对。

# 统一社会信用代码
kernel-uscc-length = 统一社会信用代码应为 18 位，现为 { $found } 位。请对照营业执照或登记证书核对。
kernel-uscc-charset = 统一社会信用代码只用数字和大写字母，且不用 I、O、S、V、Z。请检查是否把 1 写成 I、把 0 写成 O。
kernel-uscc-type = 统一社会信用代码前两位不是登记管理部门和机构类别的代码。请核对前两位。
kernel-uscc-region = 统一社会信用代码第 3 至 8 位应为六位数字的行政区划代码。请核对这六位。
kernel-uscc-check = 统一社会信用代码的校验位不符，其中有一位填错。请对照证照逐位核对。
kernel-uscc-warning-org-check = 代码中的组织机构代码校验位不符，少数早期代码如此。请与登记机关核实，仍可继续。
kernel-uscc-warning-rare-type = 代码前两位不在国家标准的表中，但实际有人使用。请核对，仍可继续。
kernel-uscc-warning-unknown-province = 代码第 3、4 位不是省级行政区划代码。请核对，仍可继续。

# 组织机构代码
kernel-org-length = 组织机构代码应为 9 位（可在末位前加连字符）。请核对位数。
kernel-org-charset = 组织机构代码只用数字和大写字母。请去掉其他字符。
kernel-org-check = 组织机构代码的校验位不符，其中有一位填错。请逐位核对。

# 行政区划代码
kernel-region-length = 行政区划代码应为 6 位（县级以上）、9 位（乡级）或 12 位（村级）数字。请补足位数。
kernel-region-charset = 行政区划代码只用数字。请去掉其他字符。
kernel-region-province = 行政区划代码前两位不是省级代码。请核对前两位。
kernel-region-gap = 行政区划代码缺少中间一级。请填写完整的代码。

# 政务服务事项编码
kernel-matter-length = 基本编码应为 12 位，实施编码应为 31 位，业务办理项编码应为 33 位。请核对位数。
kernel-matter-level = 实施编码第 19 位是行使层级，应为 1 至 6。请核对该位。
kernel-matter-basic = 基本编码应为 12 位数字。请核对，旧系统的编码请填在地方编码一栏。
kernel-matter-handling = 业务办理项编码末两位应为 01 至 99。请核对末两位。
kernel-matter-body = 实施编码前 18 位应为实施主体的统一社会信用代码。请核对这 18 位。
kernel-matter-kind = 编码中的事项类型与所填的事项类型不一致。请改正其中之一。

# 办件编号
kernel-case-no-length = 办件编号应为 30 位，分办件为 33 位。请对照回执核对。
kernel-case-no-area = 办件编号前六位应为行政区划代码。请对照回执核对。
kernel-case-no-org = 办件编号第 7 至 15 位应为受理单位的组织机构代码。请对照回执核对。
kernel-case-no-date = 办件编号第 16 至 23 位不是存在的日期。请对照回执核对。
kernel-case-no-serial = 办件编号的流水号应为 000001 至 999999。请对照回执核对；当日流水号用尽时请联系管理员。
kernel-case-no-check = 办件编号的校验位不符，其中有一位填错。请对照回执逐位核对。
kernel-case-no-sub = 分办件编号是办件编号后加连字符和 01 至 99。请对照回执核对。

# 电子证照标识
kernel-certificate-root = 电子证照标识应以 { $root } 开头。请扫描证照上的二维码，或完整抄录标识。
kernel-certificate-parts = 电子证照标识由类型、颁发机构、流水号、版本号和校验位组成，用点分隔。请完整抄录标识。
kernel-certificate-kind = 证照类型代码应为定义机构的 18 位统一社会信用代码加 3 位数字。请核对这 21 位。
kernel-certificate-issuer = 证照颁发机构代码应为 6 至 18 位数字或大写字母。请核对颁发机构代码。
kernel-certificate-serial = 证照流水号应为 1 至 64 位数字或大写字母。请核对流水号。
kernel-certificate-version = 证照版本号应为 001 至 999。请核对版本号。
kernel-certificate-check = 电子证照标识的校验位不符，其中有一位填错。请扫描二维码，或逐位核对。
kernel-certificate-warning-definer = 证照类型代码的前 18 位不是有效的统一社会信用代码。请与颁发机构核实，仍可继续。
kernel-certificate-warning-issuer = 颁发机构代码不是有效的统一社会信用代码。请与颁发机构核实，仍可继续。

# 工作日历
kernel-calendar-year-missing = 尚未载入 { $year } 年的放假安排，无法计算期限。请管理员导入该年的日历后重试。
kernel-calendar-no-such-day = { $year } 年日历中的“{ $day }”不是该年或相邻年份的日期。请写成“月-日”，如 05-01。
kernel-calendar-contradiction = { $year } 年日历把 { $day } 同时列为放假和上班。请只保留一处。
kernel-calendar-out-of-range = 期限超出可以计算的日期。请减少天数。
kernel-day-start = 起算日，不计入
kernel-day-working = 工作日
kernel-day-make-up = 调休上班
kernel-day-weekend = 周末
kernel-day-holiday = 放假
kernel-day-suspended = 中止计时

# 金额
kernel-money-format = 金额应写成 1234.50 的样子。请只填数字、小数点和千位逗号。
kernel-money-precision = 金额最多两位小数。请四舍五入到分。
kernel-money-too-large = 金额过大，无法记录。请核对数位。
