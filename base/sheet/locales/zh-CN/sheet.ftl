sheet-empty = 文件是空的；请选择有内容的 CSV 或 XLSX 文件。
sheet-old-excel = 这是旧版 Excel（.xls）或加密的文件；请另存为未加密的 .xlsx 再导入。
sheet-not-a-workbook = 这个文件打不开；请另存为 .xlsx 或 CSV 再导入。
sheet-large = 工作簿展开后超过 { $most } MB，或其中文字超过 { $held } MB；请拆分文件，或另存为 CSV 再导入。
