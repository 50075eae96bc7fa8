# Uploads
store-upload-name-empty = The file has no name. Give it a name and upload it again.
store-upload-empty = The file is empty. Check that it opens, then upload it again.
store-upload-too-large = The file is larger than { $limit }. Compress or split it and upload it again.
store-upload-kind-not-allowed = Files of this kind are not accepted. Upload one of: { $allowed }.
store-upload-wrong-content = The content of the file is not { $extension }, though its name says so. Open it in the program it comes from, save it as { $extension } and upload it again; renaming is not enough.
store-upload-broken-off = The connection broke before the whole file had arrived. Upload it again.
# Jobs and events
store-job-not-failed = Only failed jobs can be handled, and this one is no longer failed. Reload the page to see its state.
store-event-not-signed-yet = This event is not yet under a signature of the log, which takes about a second. Try again in a moment.
# Audit
store-audit-missing = Event { $position } is missing. Stop using this database and compare it with a backup.
store-audit-altered = Event { $position } is not what was sealed; it was altered. Compare it with a backup.
store-audit-hashes = The log's hashes around event { $position } were altered. Compare them with a backup.
store-audit-root = The signed head over the first { $position } events does not match them; some event was altered. Compare with a backup.
store-audit-signature = The signature of the head over the first { $position } events is not valid. Compare with a backup.
store-audit-key = The head over the first { $position } events was signed by a key that is not trusted. Compare it with the published fingerprint.
