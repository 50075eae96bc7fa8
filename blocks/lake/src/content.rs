//! What the values of rows come to, each written out.
//!
//! Arrow keeps a text once and points to it from many rows; what computes with it, or casts it, may
//! write it out for each.

use datafusion::arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::DataType,
};

/// Bytes of all values of a batch.
pub(crate) fn content(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| of_array(&**column))
        .fold(0, usize::saturating_add)
}

fn of_array(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => views(array.as_string_view().lengths()),
        DataType::BinaryView => views(array.as_binary_view().lengths()),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = dictionary.values();
            let longest = (0..values.len()).map(|at| of_array(&*values.slice(at, 1)));
            let longest = longest.max().unwrap_or(0);
            longest.saturating_mul(array.len())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let ends = (list.value_offsets().first(), list.value_offsets().last());
            within(list.values(), ends)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let ends = (list.value_offsets().first(), list.value_offsets().last());
            within(list.values(), ends)
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns
                .map(|column| of_array(&**column))
                .fold(0, usize::saturating_add)
        }
        _ => {
            let sliced = array.to_data().get_slice_memory_size();
            sliced.unwrap_or_else(|_| array.get_array_memory_size())
        }
    }
}

fn views(lengths: impl Iterator<Item = u32>) -> usize {
    lengths
        .map(|length| length as usize)
        .fold(0, usize::saturating_add)
}

/// The values of lists between their first and last.
fn within<T: Copy + TryInto<usize>>(values: &dyn Array, ends: (Option<&T>, Option<&T>)) -> usize {
    let at = |end: Option<&T>| end.and_then(|end| (*end).try_into().ok()).unwrap_or(0);
    let (from, to) = (at(ends.0), at(ends.1));
    let values = values.slice(from, to.saturating_sub(from));
    of_array(&*values)
}
