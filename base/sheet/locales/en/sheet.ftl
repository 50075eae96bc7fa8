sheet-empty = The file is empty; choose a CSV or XLSX file with content.
sheet-old-excel = This is an old (.xls) or encrypted workbook; save it as .xlsx without a password.
sheet-not-a-workbook = The file cannot be opened; save it as .xlsx or CSV.
sheet-large = The workbook comes to more than { $most } MB when it is unpacked, or its texts to more than { $held } MB; split it, or save it as CSV.
