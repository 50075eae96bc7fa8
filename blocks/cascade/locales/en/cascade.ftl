cascade-report-form = The report of the catalog cannot be understood and was not taken; compare both versions.
cascade-report-foreign = The reported catalog is another organisation's and was not taken.
cascade-not-listening = This hub does not listen for nodes (exchange.listen is empty); name an address in the settings first.
cascade-refused = The superior hub did not accept: { $why }
cascade-unreachable = The superior hub cannot be reached: { $why }; check its address and the firewall.
cascade-hub = The address begins with https://, as https://hub.example.gov.cn:8444; write it so.
cascade-code-missing = Enter the one-time code that the superior hub gave.
cascade-not-joined = This hub has no superior now.
