forms-yes = Yes
forms-no = No
forms-list-mark = , {""}
forms-from = From { $register }
forms-change = Change
forms-remove = Remove
forms-upload = Upload chosen files
forms-sample = See the blank form or a sample
forms-exempt = Need not be submitted
forms-handed-in = Handed in: { $title }
forms-use-certificate = Use the electronic certificate: { $title }
forms-file-help = { $kinds }; at most { $size } each, at most { $count } files.

forms-required = Fill in “{ $en }”.
forms-required-choice = Choose an answer to “{ $en }”.
forms-required-file = Upload “{ $en }”, or use the electronic certificate that replaces it.
forms-must-agree = Tick “{ $en }” to go on.
forms-too-short = “{ $en }” needs at least { $limit } characters; please complete it.
forms-too-long = “{ $en }” takes at most { $limit } characters; please shorten it.
forms-minimum = “{ $en }” cannot be less than { $limit }; please check the number.
forms-maximum = “{ $en }” cannot be more than { $limit }; please check the number.
forms-above = “{ $en }” must be more than { $limit }; please check the number.
forms-below = “{ $en }” must be less than { $limit }; please check the number.
forms-multiple = “{ $en }” must be a multiple of { $limit }; please check the number.
forms-choose-more = Choose at least { $limit } answers to “{ $en }”.
forms-choose-fewer = Choose at most { $limit } answers to “{ $en }”.
forms-choice = Choose one of the offered answers to “{ $en }”.
forms-pattern = “{ $en }” is not written as the help text asks; please write it again.
forms-pattern-help = “{ $en }” is not written rightly: { $help_en }
forms-number = “{ $en }” must be a number, such as 12.5.
forms-whole-number = “{ $en }” must be a whole number, such as 12.
forms-money = “{ $en }” must be an amount in yuan with at most two decimals, such as 1234.50.
forms-date = “{ $en }” must be a date, such as 2026-03-02.
forms-phone = “{ $en }” must be a mobile number of 11 digits or a fixed number with area code, such as 010-12345678.
forms-email = “{ $en }” must be a mail address, such as name@example.com.
forms-industry = “{ $en }” must be a code of the industry classification, such as H6210.
forms-type = What was entered at “{ $en }” cannot be read; please enter it again.
forms-unusable = The rule for “{ $en }” is broken, so it cannot be submitted; please ask at the window.

forms-file-few = “{ $en }” needs at least { $limit } files; please upload more.
forms-file-count = “{ $en }” takes at most { $limit } files; remove some first.
forms-file-field = There is no file question called { $name }; reload the page and upload again.

forms-upload-broken = The upload broke off; what was saved before is kept. Choose the file again.

forms-draft-changed = This draft was changed on another device. Reload the page, look at it, and save again.
forms-draft-closed = This draft was submitted and cannot be changed. See it under “My cases”.
forms-draft-expired = This draft was kept longer than the time limit. Please begin again.
forms-draft-unknown-fields = The form has no such fields: { $names }. Check their names.
forms-draft-too-big = The draft is larger than { $limit }; shorten it and save again.

forms-form-json = The form is no valid JSON (line { $line }): { $reason }. Mend it and install again.
forms-form-wrong = The form is defined wrongly: { $reason }. Mend it at the place named.
