cascade-report-form = 目录上报的内容无法识别，没有接收；请核对双方版本。
cascade-report-foreign = 上报的目录属于其他机构，没有接收。
cascade-not-listening = 本中心没有对前置机开放（exchange.listen 为空）；请先在设置中写明地址。
cascade-refused = 上级中心没有接受：{ $why }
cascade-unreachable = 连不上上级中心：{ $why }；请核对地址和防火墙。
cascade-hub = 地址须以 https:// 开头，例如 https://hub.example.gov.cn:8444；请改正。
cascade-code-missing = 请填写上级中心给的一次性编码。
cascade-not-joined = 本中心现在没有上级中心。
