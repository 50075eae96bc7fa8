pack-not-utf8 = 文件 { $file } 不是 UTF-8 编码；请另存为 UTF-8。
pack-not-a-pack = { $origin } 里没有 pack.toml，不是业务包；请检查路径。
