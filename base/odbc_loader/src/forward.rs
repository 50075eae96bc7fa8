//! One function for each that `odbc-api` calls, with arguments of the same widths.

use std::{ffi::c_void, sync::OnceLock};

use crate::{Missing, NAMES};

type Ptr = *mut c_void;

/// `SQL_ERROR`: what a function answers that the library does not have.
const FAILED: i16 = -1;

#[derive(Clone, Copy)]
struct Address(*const ());

// SAFETY: the address of a function, which is the same in every thread.
unsafe impl Sync for Address {}

struct Library {
    /// Addresses in the order of [`forward!`]'s list; 0 where there is none.
    addresses: Vec<usize>,
}

static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();

pub(crate) fn load() -> Result<(), Missing> {
    let found = LIBRARY.get_or_init(|| NAMES.into_iter().find_map(open));
    found.as_ref().map(|_| ()).ok_or(Missing)
}

fn open(name: &std::ffi::CStr) -> Option<Library> {
    let flags = libc::RTLD_NOW | libc::RTLD_LOCAL;
    // SAFETY: the name ends with a zero byte; loading runs the library's own start code only.
    let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
    if handle.is_null() {
        return None;
    }
    // The list also names each function of this module, so that the linker keeps them all.
    let addresses = OWN.iter().map(|(symbol, own)| {
        // SAFETY: the handle was opened above and is never closed; the name ends with a zero byte.
        let address = unsafe { libc::dlsym(handle, symbol.as_ptr()) } as usize;
        // A library that finds the executable's functions before its own would call us for ever.
        if address == own.0 as usize {
            0
        } else {
            address
        }
    });
    Some(Library {
        addresses: addresses.collect(),
    })
}

fn address(place: usize) -> Option<usize> {
    let library = LIBRARY.get()?.as_ref()?;
    library.addresses.get(place).copied().filter(|a| *a != 0)
}

macro_rules! forward {
    ($($place:literal $name:ident $text:literal ($($arg:ident: $type:ty),*);)*) => {
        /// Names of the functions, and ours.
        static OWN: &[(&std::ffi::CStr, Address)] = &[$(($text, Address($name as *const ()))),*];

        $(
            #[unsafe(no_mangle)]
            extern "system" fn $name($($arg: $type),*) -> i16 {
                let Some(address) = address($place) else {
                    return FAILED;
                };
                // SAFETY: the address is that of the function of this name, whose signature is
                // that of the ODBC API; the caller keeps the API's promises.
                unsafe {
                    let real: extern "system" fn($($type),*) -> i16 =
                        std::mem::transmute::<usize, extern "system" fn($($type),*) -> i16>(address);
                    real($($arg),*)
                }
            }
        )*
    };
}

forward! {
    0 SQLAllocHandle c"SQLAllocHandle" (a: i16, b: Ptr, c: Ptr);
    1 SQLBindCol c"SQLBindCol" (a: Ptr, b: u16, c: i16, d: Ptr, e: isize, f: Ptr);
    2 SQLBindParameter c"SQLBindParameter" (a: Ptr, b: u16, c: i16, d: i16, e: i16, f: usize, g: i16, h: Ptr, i: isize, j: Ptr);
    3 SQLCloseCursor c"SQLCloseCursor" (a: Ptr);
    4 SQLColAttribute c"SQLColAttribute" (a: Ptr, b: u16, c: u16, d: Ptr, e: i16, f: Ptr, g: Ptr);
    5 SQLColumns c"SQLColumns" (a: Ptr, b: Ptr, c: i16, d: Ptr, e: i16, f: Ptr, g: i16, h: Ptr, i: i16);
    6 SQLCompleteAsync c"SQLCompleteAsync" (a: i16, b: Ptr, c: Ptr);
    7 SQLConnect c"SQLConnect" (a: Ptr, b: Ptr, c: i16, d: Ptr, e: i16, f: Ptr, g: i16);
    8 SQLDataSources c"SQLDataSources" (a: Ptr, b: u16, c: Ptr, d: i16, e: Ptr, f: Ptr, g: i16, h: Ptr);
    9 SQLDescribeCol c"SQLDescribeCol" (a: Ptr, b: u16, c: Ptr, d: i16, e: Ptr, f: Ptr, g: Ptr, h: Ptr, i: Ptr);
    10 SQLDescribeParam c"SQLDescribeParam" (a: Ptr, b: u16, c: Ptr, d: Ptr, e: Ptr, f: Ptr);
    11 SQLDisconnect c"SQLDisconnect" (a: Ptr);
    12 SQLDriverConnect c"SQLDriverConnect" (a: Ptr, b: Ptr, c: Ptr, d: i16, e: Ptr, f: i16, g: Ptr, h: u16);
    13 SQLDrivers c"SQLDrivers" (a: Ptr, b: u16, c: Ptr, d: i16, e: Ptr, f: Ptr, g: i16, h: Ptr);
    14 SQLEndTran c"SQLEndTran" (a: i16, b: Ptr, c: i16);
    15 SQLExecDirect c"SQLExecDirect" (a: Ptr, b: Ptr, c: i32);
    16 SQLExecute c"SQLExecute" (a: Ptr);
    17 SQLFetch c"SQLFetch" (a: Ptr);
    18 SQLForeignKeys c"SQLForeignKeys" (a: Ptr, b: Ptr, c: i16, d: Ptr, e: i16, f: Ptr, g: i16, h: Ptr, i: i16, j: Ptr, k: i16, l: Ptr, m: i16);
    19 SQLFreeHandle c"SQLFreeHandle" (a: i16, b: Ptr);
    20 SQLFreeStmt c"SQLFreeStmt" (a: Ptr, b: u16);
    21 SQLGetConnectAttr c"SQLGetConnectAttr" (a: Ptr, b: i32, c: Ptr, d: i32, e: Ptr);
    22 SQLGetData c"SQLGetData" (a: Ptr, b: u16, c: i16, d: Ptr, e: isize, f: Ptr);
    23 SQLGetDiagRec c"SQLGetDiagRec" (a: i16, b: Ptr, c: i16, d: Ptr, e: Ptr, f: Ptr, g: i16, h: Ptr);
    24 SQLGetInfo c"SQLGetInfo" (a: Ptr, b: u16, c: Ptr, d: i16, e: Ptr);
    25 SQLGetStmtAttr c"SQLGetStmtAttr" (a: Ptr, b: i32, c: Ptr, d: i32, e: Ptr);
    26 SQLMoreResults c"SQLMoreResults" (a: Ptr);
    27 SQLNumParams c"SQLNumParams" (a: Ptr, b: Ptr);
    28 SQLNumResultCols c"SQLNumResultCols" (a: Ptr, b: Ptr);
    29 SQLParamData c"SQLParamData" (a: Ptr, b: Ptr);
    30 SQLPrepare c"SQLPrepare" (a: Ptr, b: Ptr, c: i32);
    31 SQLPrimaryKeys c"SQLPrimaryKeys" (a: Ptr, b: Ptr, c: i16, d: Ptr, e: i16, f: Ptr, g: i16);
    32 SQLPutData c"SQLPutData" (a: Ptr, b: Ptr, c: isize);
    33 SQLRowCount c"SQLRowCount" (a: Ptr, b: Ptr);
    34 SQLSetConnectAttr c"SQLSetConnectAttr" (a: Ptr, b: i32, c: Ptr, d: i32);
    35 SQLSetDescField c"SQLSetDescField" (a: Ptr, b: i16, c: u16, d: Ptr, e: i32);
    36 SQLSetEnvAttr c"SQLSetEnvAttr" (a: Ptr, b: i32, c: Ptr, d: i32);
    37 SQLSetStmtAttr c"SQLSetStmtAttr" (a: Ptr, b: i32, c: Ptr, d: i32);
    38 SQLTables c"SQLTables" (a: Ptr, b: Ptr, c: i16, d: Ptr, e: i16, f: Ptr, g: i16, h: Ptr, i: i16);
}
