# Citizen identity number
kernel-citizen-length = A citizen identity number has 18 characters, this one { $found }. Compare it with the card, character by character.
kernel-citizen-charset = The first 17 characters of a citizen identity number are digits, the last is a digit or X. Remove anything else.
kernel-citizen-region = The first six digits of the citizen identity number were never a region code. Compare them with the card.
kernel-citizen-date = Digits 7 to 14 of the citizen identity number are no existing date. Compare the birth date with the card.
kernel-citizen-date-range = The birth date in a citizen identity number lies after 1850 and not after today. Check digits 7 to 14.
kernel-citizen-check = The check character of the citizen identity number does not fit: one character is wrong. Compare all of them with the card.

# Unified social credit code
kernel-uscc-length = A unified social credit code has 18 characters, this one { $found }. Compare it with the business licence or certificate of registration.
kernel-uscc-charset = A unified social credit code has only digits and capital letters without I, O, S, V, Z. Check whether a 1 was written as I or a 0 as O.
kernel-uscc-type = The first two characters of the unified social credit code name no registering authority and type. Check these two.
kernel-uscc-region = Characters 3 to 8 of the unified social credit code are a region code of six digits. Check these six.
kernel-uscc-check = The check character of the unified social credit code does not fit: one character is wrong. Compare all of them with the certificate.
kernel-uscc-warning-org-check = The organisation code inside fails its own check, as some early codes do. Ask the registering authority; you may go on.
kernel-uscc-warning-rare-type = The first two characters are not in the national table but are met in practice. Check them; you may go on.
kernel-uscc-warning-unknown-province = Characters 3 and 4 are no province. Check them; you may go on.

# Organisation code
kernel-org-length = An organisation code has 9 characters (a hyphen may stand before the last). Check how many there are.
kernel-org-charset = An organisation code has only digits and capital letters. Remove anything else.
kernel-org-check = The check character of the organisation code does not fit: one character is wrong. Check all of them.

# Region code
kernel-region-length = A region code has 6 digits (county and above), 9 (town) or 12 (village). Add what is missing.
kernel-region-charset = A region code has only digits. Remove anything else.
kernel-region-province = The first two digits of the region code are no province. Check them.
kernel-region-gap = The region code lacks a level in the middle. Enter the full code.

# Codes of service matters
kernel-matter-length = A basic code has 12 characters, an implementation code 31, a handling code 33. Check how many there are.
kernel-matter-level = Character 19 of an implementation code is the level, 1 to 6. Check it.
kernel-matter-basic = A basic code is 12 digits. Check it; codes of older systems belong in the field for local codes.
kernel-matter-handling = The last two digits of a handling code are 01 to 99. Check them.
kernel-matter-body = The first 18 characters of an implementation code are the unified social credit code of the implementing body. Check them.
kernel-matter-kind = The type inside the code differs from the type of the matter. Correct one of the two.

# Case number
kernel-case-no-length = A case number has 30 characters, a sub-case 33. Compare it with your receipt.
kernel-case-no-area = A case number begins with a region code of six digits. Compare it with your receipt.
kernel-case-no-org = Characters 7 to 15 of a case number are the organisation code of the receiving body. Compare them with your receipt.
kernel-case-no-date = Digits 16 to 23 of the case number are no existing date. Compare them with your receipt.
kernel-case-no-serial = The serial in a case number is 000001 to 999999. Compare it with your receipt; when a day's serials are used up, call the administrator.
kernel-case-no-check = The check character of the case number does not fit: one character is wrong. Compare all of them with your receipt.
kernel-case-no-sub = A sub-case is a case number, a hyphen and 01 to 99. Compare it with your receipt.

# Certificate identifier
kernel-certificate-root = A certificate identifier begins with { $root }. Scan the code on the certificate or copy the whole identifier.
kernel-certificate-parts = A certificate identifier is type, issuer, serial, version and check with dots between. Copy the whole identifier.
kernel-certificate-kind = The type of a certificate is the 18 characters of its definer's unified social credit code and 3 digits. Check these 21 characters.
kernel-certificate-issuer = The issuer of a certificate is 6 to 18 digits or capital letters. Check it.
kernel-certificate-serial = The serial of a certificate is 1 to 64 digits or capital letters. Check it.
kernel-certificate-version = The version of a certificate is 001 to 999. Check it.
kernel-certificate-check = The check character of the certificate identifier does not fit: one character is wrong. Scan the code or compare all characters.
kernel-certificate-warning-definer = The type of the certificate does not begin with a valid unified social credit code. Ask the issuer; you may go on.
kernel-certificate-warning-issuer = The issuer is no valid unified social credit code. Ask the issuer; you may go on.

# Working-day calendar
kernel-calendar-year-missing = The holidays of { $year } are not loaded, so the period cannot be computed. Ask the administrator to import that year's calendar and try again.
kernel-calendar-no-such-day = "{ $day }" in the calendar of { $year } is no day of that year or its neighbours. Write month-day, such as 05-01.
kernel-calendar-contradiction = The calendar of { $year } calls { $day } both off and worked. Keep one of the two.
kernel-calendar-out-of-range = The period ends beyond the dates that can be computed. Use fewer days.
kernel-day-start = First day, not counted
kernel-day-working = Working day
kernel-day-make-up = Worked in exchange
kernel-day-weekend = Weekend
kernel-day-holiday = Holiday
kernel-day-suspended = Clock stopped

# Money
kernel-money-format = An amount is written like 1234.50. Use only digits, a decimal point and commas between thousands.
kernel-money-precision = An amount has at most two decimal places. Round it to fen.
kernel-money-too-large = The amount is too large to be recorded. Check its digits.
