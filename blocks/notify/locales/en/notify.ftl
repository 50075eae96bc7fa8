notify-messages = Messages
notify-unread = Unread
notify-unread-count = { $count ->
    [one] { $count } unread message
   *[other] { $count } unread messages
}
notify-none = No messages yet
notify-none-help = When something happens to your cases, you are told here.
notify-mark = Mark as read
notify-mark-all = Mark all as read
notify-open = Open
notify-back = Back to messages
notify-preferences = Notification settings
notify-preferences-intro = Messages always appear here. To get them by mail as well, enter your mail address.
notify-wants-mail = Send mail as well
notify-address = Mail address
notify-address-unreadable = A mail address is written as name@example.com. Check it and enter it again.
notify-language = Language of mails
notify-language-unknown = The language of mails is zh-CN, zh-TW or en. Choose one of them.
notify-save = Save
notify-saved = The notification settings are saved.
notify-mail-foot = This mail was sent automatically; please do not reply. To stop such mails, sign in and change your notification settings.

notify-agent-appointed = You were appointed
notify-agent-appointed-body = { $party } appointed you to act for them until { $until }. Sign in and choose for whom you act in "My account".
notify-agent-dismissed = An appointment was ended
notify-agent-dismissed-body = One of your appointments was ended; you can no longer act for that party. If in doubt, ask them.
notify-password-changed = Password changed
notify-password-changed-body = The password of your account was just changed and other devices are signed out. If it was not you, have the account disabled at a service window at once.
notify-second-factor-added = One-time codes turned on
notify-second-factor-added-body = One-time codes were turned on for your account; signing in takes one from now on. If it was not you, have the account disabled at a service window at once.
notify-second-factor-removed = One-time codes turned off
notify-second-factor-removed-body = One-time codes were turned off for your account. If it was not you, change your password and sign out other devices at once.
notify-token-created = Access token made
notify-token-created-body = The access token "{ $label }" was made for your account. If it was not you, revoke it and change your password at once.

# Confirming an address
notify-no-mail-server = This installation has no mail server, so it cannot send mail. Untick the box; messages still appear here.
notify-confirmed = Address confirmed
notify-code = Code from the mail
notify-code-help = The 6 digits in the mail. If none came, check the address and save it again; another one is sent.
notify-code-confirm = Confirm address
notify-code-waiting = A code was sent to your address. Mail comes only after you confirm it.
notify-code-wrong = The code is wrong. Enter the 6 digits of the latest mail.
notify-code-none = There is no code to confirm, or too many wrong ones were entered. Save the address again to get another one.
notify-code-mail = Please confirm your address
notify-code-mail-body = Your code is { $code }. Sign in and enter it in "Notification settings". If you did not ask for it, ignore this mail.
