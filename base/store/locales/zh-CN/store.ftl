# 上传文件
store-upload-name-empty = 文件没有名称。请给文件取一个名称后重新上传。
store-upload-empty = 文件是空的。请检查文件能否打开，再重新上传。
store-upload-too-large = 文件超过 { $limit }。请压缩或拆分后重新上传。
store-upload-kind-not-allowed = 不接受这种文件。请上传以下格式之一：{ $allowed }。
store-upload-wrong-content = 文件内容不是 { $extension } 格式，与扩展名不符。请用原来的软件打开并另存为 { $extension } 后重新上传，不要只改扩展名。
store-upload-broken-off = 文件没有传完，连接中断了。请重新上传。
# 后台任务与事件
store-job-not-failed = 只能处理已失败的任务，这个任务已不在失败状态。请刷新页面查看最新状态。
store-event-not-signed-yet = 这条事件还没有盖上日志签名，约需一秒。请稍后再试。
# 日志核验
store-audit-missing = 第 { $position } 条事件缺失。请停止使用该数据库，并用备份对照。
store-audit-altered = 第 { $position } 条事件与封存时不一致，已被改动。请用备份对照。
store-audit-hashes = 第 { $position } 条事件附近的日志摘要已被改动。请用备份对照。
store-audit-root = 前 { $position } 条事件与签名日志头不一致，其中有事件被改动。请用备份对照。
store-audit-signature = 前 { $position } 条事件的日志头签名无效。请用备份对照。
store-audit-key = 前 { $position } 条事件的日志头由不受信任的密钥签名。请核对公布的密钥指纹。
