# Menus and tabs
identity-menu-account = My account
identity-menu-users = Users
identity-menu-audit = Audit log
identity-account = My account
identity-tab-account = Profile
identity-tab-security = Sign-in and security
identity-tab-agents = Agents and proxies
identity-tab-tokens = Access tokens

# Everywhere
identity-act = Action
identity-yes = Yes
identity-no = No
identity-state = State
identity-from = First day
identity-until = Last day
identity-since = Since
identity-validity = Validity
identity-valid = In force
identity-over = Ended
identity-days = { $from } to { $until }
identity-days-open = From { $from }, without end

# Signing in
identity-sign-in = Sign in
identity-sign-in-anew = Enter name and password again
identity-no-account = No account yet?
identity-have-account = Already have an account?
identity-login = User name
identity-login-help = 3 to 40 characters, beginning with a letter; letters, digits and - _ . are allowed.
identity-login-or-code = User name or citizen number
identity-password = Password
identity-code-title = Enter the one-time code
identity-sign-in-wrong = User name or password is wrong. Check both and try again; repeated errors make you wait.
identity-sign-in-locked = Too many errors, so signing in is paused. Try again in { $minutes } minutes.
identity-sign-in-over = Signing in took too long. Enter user name and password again.
identity-user-disabled = This account is disabled and cannot sign in. Ask an administrator to enable it.

# Registration
identity-register = Register
identity-register-intro = With a personal account you can apply online. Firms are added by their legal representative after signing in.
identity-name = Name
identity-name-help = As on your identity card.
identity-code = Citizen number
identity-code-help = 18 characters; the last may be X.
identity-phone = Mobile phone
identity-address = Address
identity-name-unreadable = A name has 2 to 60 characters. Enter it as on the identity card.
identity-phone-unreadable = A mobile number has 11 digits and begins with 1. Check it and enter it again.
identity-login-unreadable = A user name has 3 to 40 characters, begins with a letter and holds only letters, digits and - _ . Choose another one.
identity-register-login-taken = This user name is taken. Choose another one.
identity-register-already = This citizen number already has an account. Sign in instead; if the password is lost, come to a service window.
identity-register-name-differs = Name and citizen number do not belong together. Compare them with your identity card; if the register is wrong, have it corrected by the police.
identity-verify = Verify identity
identity-verify-intro = Your identity is not verified yet, so you cannot submit applications.
identity-verify-officer = Officers' accounts are kept by administrators and need no verification.
identity-verify-differs = Name and citizen number do not belong together, so the verification failed. Have the account corrected at a service window.
identity-verify-unknown = The population register does not have this citizen number yet, so the verification failed. Try again later, or come to a service window.

# Passwords
identity-password-help = At least 10 characters with three of: lower case, capitals, digits, signs. Not your name, user name or numbers.
identity-password-repeat = Password again
identity-password-repeat-differs = The two passwords differ. Enter them again.
identity-password-short = A password has at least 10 characters. Make it longer.
identity-password-long = A password has at most 128 characters. Make it shorter.
identity-password-plain = A password holds three of: lower case, capitals, digits, signs. Choose another one.
identity-password-contains-name = A password must not contain your name, user name, phone or citizen number. Choose another one.
identity-password-change = Change password
identity-password-present = Present password
identity-password-present-wrong = The present password is wrong. Check it and try again.
identity-password-new = New password
identity-password-same = The new password is the same as the present one. Choose another one.
identity-password-first = First password

# Second factor
identity-second-factor = One-time codes
identity-second-factor-on = On
identity-second-factor-intro = Once on, signing in takes a 6-digit code from an authenticator app besides the password.
identity-second-factor-add = Turn on one-time codes
identity-second-factor-scan = Scan the code with an authenticator app, then enter the 6 digits that it shows.
identity-second-factor-qr = QR code for the authenticator app
identity-second-factor-secret = If you cannot scan it, enter this key in the app:
identity-second-factor-confirm = Confirm
identity-second-factor-code = One-time code
identity-second-factor-code-help = The 6 digits in the authenticator app; they change every 30 seconds.
identity-second-factor-code-wrong = The one-time code is wrong or was used before. Enter the 6 digits that the app shows now, and check that the phone's clock is right.
identity-second-factor-remove = Turn off one-time codes
identity-second-factor-remove-intro = Afterwards the password alone is enough to sign in. Enter password and code to confirm.
identity-second-factor-already = One-time codes are already on. To change the app, turn them off first.
identity-second-factor-none = One-time codes are not on, so there is nothing to turn off.
identity-second-factor-no-key = This installation has no key for one-time codes, so they cannot be turned on. Ask an administrator to configure it.
identity-posts-withheld = An officer's posts count only after a one-time code was shown. Turn codes on below; if they are on, sign in again.

# Sessions
identity-sessions = Signed-in devices
identity-sessions-intro = These devices use your account. If you do not know one of them, sign it out and change your password.
identity-device = Device
identity-address-of-session = Network address
identity-seen = Last used
identity-session-current = This device
identity-session-end = Sign out
identity-session-end-of = Sign out: { $device }

# Tokens
identity-tokens-intro = With an access token a program can use the API as you. A token is as good as your account: keep it secret, and revoke it when it is not needed.
identity-tokens-none = No access tokens yet. Make one below when a program needs it.
identity-token-new = New token
identity-token-label = Purpose
identity-token-label-help = For example "nightly export", so that you know it later.
identity-token-label-missing = The purpose is missing or longer than 100 characters. Say what the token is for.
identity-token-days = Days
identity-token-days-outside = A token lasts 1 to { $most } days. Enter another number.
identity-token-scope = Rights
identity-token-scope-all = All (as yourself, except managing passwords and tokens)
identity-token-scope-read = Reading only
identity-token-used = Last used
identity-token-revoke = Revoke
identity-token-revoke-of = Revoke token: { $label }
identity-token-shown = Token made
identity-token-shown-once = Copy it now. It is shown this once and cannot be seen again.

# Account and acting for others
identity-profile = Profile
identity-level = Assurance
identity-level-0 = Level 0 (not registered)
identity-level-1 = Level 1 (stated by yourself)
identity-level-2 = Level 2 (name and number confirmed)
identity-level-3 = Level 3 (person confirmed)
identity-level-4 = Level 4 (certificate or window)
identity-acting = Acting for
identity-acting-intro = You can act for yourself, for firms that you represent and for people who appointed you. For whom you act is shown at the head of every page.
identity-party = Party
identity-party-code = Number
identity-acting-self = (yourself)
identity-acting-now = Now
identity-acting-switch = Switch
identity-acting-for-name = Switch to { $name }
identity-acting-not-appointed = You are not appointed for this party, or the appointment has ended. Ask the party to appoint you again.
identity-firm = Add a firm
identity-firm-intro = If you are the legal representative of a firm, add it by its name and unified social credit code.
identity-firm-name = Name of the firm
identity-firm-code = Unified social credit code
identity-firm-bind = Add
identity-firm-unknown = The register of legal entities does not have this code. Check it; for a new firm try again on the day after its registration.
identity-firm-name-differs = Name and code do not belong together. Enter both as on the business licence.
identity-firm-not-representative = You are not the registered legal representative of this firm, so you cannot add it. Ask the representative to add it and to appoint you.

# Agents
identity-agents-of = Agents and proxies of { $name }
identity-agents-none = Nobody is appointed yet.
identity-agents-not-yours = You cannot appoint anybody for this party
identity-agents-not-yours-help = A firm's agents are appointed by its legal representative. To appoint a proxy for yourself, act for yourself first.
identity-appoint = Appoint
identity-appoint-intro = The person needs a personal account. Once appointed she can act for you or your firm; every step records both of you.
identity-role = Role
identity-role-representative = Legal representative
identity-role-agent = Agent
identity-role-proxy = Proxy
identity-scope = Matters
identity-scope-help = Matter codes, separated by spaces; * means every matter.
identity-scope-everything = Every matter
identity-dismiss = Dismiss
identity-dismiss-name = Dismiss { $name }
identity-agent-unknown = There is no personal account with this user name and name. Check both with the person.
identity-agent-oneself = You cannot appoint yourself. Enter somebody else's user name.
identity-agent-day-unreadable = A date is written as 2026-03-02. Enter it again.
identity-agent-ends-before-it-begins = The last day is before the first. Enter another day.
identity-agent-already-over = The last day is in the past. Enter another day.
identity-agent-representative-stays = The legal representative is changed at the registration office, not here. Register the change first.
identity-agent-out-of-scope = Your appointment does not cover this matter. Ask for a wider one, or act for yourself.

# Administration
identity-users-search = Find by user name or name
identity-users-none = No such users
identity-users-none-help = Try another word, or clear the search to see everybody.
identity-user-new = New officer
identity-user-create = Create account
identity-kind = Kind
identity-kind-officer = Officer
identity-kind-citizen = Citizen
identity-post = Post
identity-posts = Posts
identity-posts-none = This account has no post and cannot handle anything. Assign one below.
identity-post-clerk = Window clerk
identity-post-examiner = Examiner
identity-post-approver = Approver
identity-post-supervisor = Supervisor
identity-post-steward = Data steward
identity-post-operator = System administrator
identity-post-integrator = Program of another system
identity-post-security = Security administrator
identity-post-auditor = Audit administrator
identity-post-oneself = Nobody changes his own posts. Ask another security administrator.
identity-post-apart = System, security and audit administrator are kept apart: nobody holds two of these posts. Take the other one away first.
identity-sessions-end-intro = All browsers in which this person is signed in are signed out at once; signing in again stays possible.
identity-sessions-end = End all sessions
identity-audit-text = Everything that happened, the latest first, in the order of the sealed log. “tongban audit verify” proves that nobody rewrote it.
identity-audit-position = No.
identity-audit-at = Time
identity-audit-kind = Kind
identity-audit-subject = What
identity-audit-actor = Who
identity-audit-data = Content
identity-audit-show = Show
identity-audit-none = No such events
identity-audit-none-help = Clear the fields to see all events.
identity-post-assign = Assign post
identity-post-remove = Remove
identity-post-remove-of = Remove post: { $post }, { $org }
identity-post-unknown = There is no such post. Choose one of the list.
identity-post-citizen = A citizen's account cannot hold posts. Make an officer's account for the person.
identity-organisation = Organisation
identity-organisation-unknown = There is no such organisation. Choose one of the list.
identity-access = Access
identity-enabled = Enabled
identity-disabled = Disabled
identity-disable = Disable account
identity-disable-intro = All sessions and tokens of the user end at once, until the account is enabled again.
identity-disable-oneself = You cannot disable your own account. Ask another operator.
identity-enable = Enable account
identity-enable-intro = The user can sign in again.

# Done
identity-done-registered = Your account is ready. Sign in.
identity-done-verified = Your identity is verified.
identity-done-acting = For whom you act is changed.
identity-done-firm = The firm is added; you can switch to it.
identity-done-appointed = The appointment is in force.
identity-done-dismissed = The appointment is ended.
identity-done-password = The password is changed, and other devices are signed out.
identity-done-factor = One-time codes are on.
identity-done-factor-removed = One-time codes are off.
identity-done-session = The device is signed out.
identity-done-token = The token is revoked.
identity-done-user = Saved.
identity-done-created = The account is made. Assign a post.

# Configuration
identity-policy-unreadable = A policy file is wrong: { $reason }. Correct it and start again.
