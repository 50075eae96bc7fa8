pack-not-utf8 = The file { $file } is not UTF-8; save it as UTF-8.
pack-not-a-pack = { $origin } has no pack.toml and so is no pack; check the path.
