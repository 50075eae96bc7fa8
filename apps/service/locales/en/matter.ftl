# Home
service-home-title = What do you need to do?
service-home-lead = Apply once; departments work at the same time. What the government already knows, you need not enter again.
service-home-search = Name of a service or department
service-home-progress = Follow a case
service-home-progress-lead = With its number and query password
service-home-verify = Verify a certificate
service-home-verify-lead = Scan the code or enter the identifier
service-home-themes = Often used
service-home-open = Services you can apply for online

# Guide
service-guide = Guide to services
service-guide-for = For whom
service-guide-for-person = For people
service-guide-for-firm = For firms
service-guide-topics = By topic
service-guide-departments = By department
service-guide-all = Show all services
service-guide-none = No service found
service-guide-none-text = Try another word, or show all services.
service-guide-open = Open for applications
service-guide-start = Apply online
service-guide-about = About this service
service-guide-code = Code
service-guide-type = Type
service-guide-department = Department
service-guide-main-item = Main item
service-guide-who = Who can apply
service-guide-how = How to apply
service-guide-result = Result
service-guide-promise = Promised within
service-guide-legal = By law within
service-guide-visit = Visits
service-guide-no-visit = None
service-guide-visits = { $count }
service-guide-fee = Fees
service-guide-fee-yes = Yes
service-guide-fee-no = Free
service-guide-conditions = Conditions
service-guide-materials = What to hand in
service-guide-steps = Steps
service-guide-not-counted = does not count towards the limit
service-guide-special = at most { $count } working days, not counted towards the limit.
service-guide-place = Where to go and whom to ask
service-guide-where = Address
service-guide-when = Opening hours
service-guide-consult = Questions
service-guide-complaint = Complaints
service-guide-law = Legal basis
service-guide-remedies = If you disagree
service-guide-review = Administrative review
service-guide-litigation = Lawsuit
service-guide-faq = Frequent questions
service-guide-listed = Only the name of this service is known so far
service-guide-listed-text = You can apply here once the department has completed its guide. Until then please contact the department.
service-guide-elsewhere = See it in the former system
service-guide-lacks = What the guide still lacks
service-guide-state = State
service-guide-version = version { $version }

service-material-original = original
service-material-copy = copy
service-material-both = original and copy
service-material-paper = paper
service-material-electronic = electronic
service-material-either = paper or electronic
service-material-copies = { $count } copies
service-material-by-applicant = from the applicant
service-material-by-government = issued by an office
service-material-required = required
service-material-optional = optional
service-material-deferred = may follow later
service-material-free = nothing to hand in
service-material-blank = Blank form
service-material-sample = Filled sample

service-limit-none = none set by law
service-limit-instant = on the spot
service-limit-working-days = { $count ->
    [one] { $count } working day
   *[other] { $count } working days
}
service-limit-natural-days = { $count ->
    [one] { $count } day
   *[other] { $count } days
}
service-limit-hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}
service-limit-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
service-limit-months = { $count ->
    [one] { $count } month
   *[other] { $count } months
}

service-audience-person = people
service-audience-firm = firms
service-audience-institution = public institutions
service-audience-social = social organisations
service-audience-unincorporated = unincorporated firms
service-audience-administration = administrative bodies
service-audience-other = other organisations

service-way-window = at a window
service-way-online = online
service-way-post = by post

service-type-01 = Licence
service-type-02 = Penalty
service-type-03 = Coercion
service-type-04 = Levy
service-type-05 = Payment
service-type-06 = Inspection
service-type-07 = Confirmation
service-type-08 = Reward
service-type-09 = Adjudication
service-type-10 = Other power
service-type-20 = Public service
service-type-local = Local type

service-result-certificate = certificate
service-result-decision = decision
service-result-other = other
service-result-nothing = none

# Stewards
service-matters = Service matters
service-matters-none-text = Import a list of matters or write a new one.
service-matter-new = New matter
service-matter-name = Name
service-matter-version = Version
service-matter-lacks = Open checks
service-matter-form = Form
service-matter-process = Process
service-matter-certificate = Certificate type
service-matter-edit = Edit a draft
service-matter-text = All elements of the matter (TOML)
service-matter-text-help = Written as matters/*.toml of a pack: one line per element, lists as sections such as [[materials]].
service-matter-save = Save draft
service-matter-checks = Publication checks
service-matter-checks-passed = All eighteen publication checks pass.
service-matter-checks-open = { $count } points are to be completed or corrected before publication.
service-matter-publish = Publish
service-matter-suspend = Suspend
service-matter-resume = Resume
service-matter-cancel = Cancel the matter
service-matter-state-draft = Draft
service-matter-state-listed = Listed only
service-matter-state-published = In force
service-matter-state-suspended = Suspended
service-matter-state-cancelled = Cancelled
service-matter-state-superseded = Former version
service-matter-suspended = This service takes no new applications at present; come back later or call the number for questions.
service-matter-cancelled = This service has ended.
service-matter-only-listed = Only the name of this service is known so far, so you cannot apply online; please contact the department.
service-matter-needs-code-and-name = A matter needs a code and a name; please fill in task_code and name.
service-matter-has-draft = This matter has a draft already; please go on editing that one.
service-matter-changed-meanwhile = Somebody else changed this version while you were editing; please open it again.
service-matter-not-a-draft = Only a draft can be published; please begin a new draft from this version.
service-matter-wrong-state = The matter's state does not allow this now; please reload the page.
service-matter-unreadable = Cannot be read: { $reason }. Please correct the line that is named.

# Publication checks
service-check-01-missing = State both the legal and the promised limit.
service-check-01-explain = Where the law sets no limit, explain why.
service-check-01-unit = Count the promised and the legal limit in the same unit.
service-check-01 = The promise must not be longer than the legal limit ({ $value }); shorten it.
service-check-02 = An instant item is decided on the spot or within one working day and has no special procedure; make it a promised item or shorten it.
service-check-03 = What is done wholly online needs no visit; correct the visits or the online depth.
service-check-04 = Without online handling and without a visit, both materials and result must go by post.
service-check-05-missing = State how many visits are needed.
service-check-05-explain = Where a visit is needed, give the reason.
service-check-05 = More than one visit needs an approval; say whose.
service-check-06-none = List the fees, or mark the matter as free.
service-check-06-free = A matter with fees must be marked as charged.
service-check-06 = Every fee needs a name, a rate and a basis.
service-check-07 = Online handling needs an address and a depth.
service-check-08 = At least one legal basis must name its article.
service-check-09 = Say of “{ $value }” whether it is required, where it comes from and in which form.
service-check-09-form = The form “{ $value }” needs a blank and a filled sample.
service-check-10-missing = State a number for questions and one for complaints.
service-check-10 = The numbers for questions and complaints must differ.
service-check-11-missing = State the kind of result (“nothing” if there is none).
service-check-11 = A result needs a name and a sample.
service-check-12 = A licence must say where to seek review and where to sue.
service-check-13 = The steps together ({ $value }) exceed the promise; adjust them or the promise.
service-check-14 = A body that acts by entrustment must name who entrusted it.
service-check-15 = The matter cannot end before it takes effect.
service-check-16 = The code “{ $value }” is wrong: 18 characters of the credit code, 1 of the level, 12 of the basic code.
service-check-16-body = The department's code differs from the first 18 characters of the code ({ $value }).
service-check-16-type = The type differs from the one in the code ({ $value }).
service-check-16-catalog = The basic code differs from the last 12 digits of the code ({ $value }).
service-check-16-item = The handling code “{ $value }” must be the code and two digits (01–99).
service-check-17 = “{ $value }” is asked for twice; merge the two.
service-check-17-catch-all = “{ $value }” is not specific; say exactly what is to be handed in.
service-check-18 = A matter of a town or village must name it with its code.

# Import
service-import = Import a list of matters
service-import-lead = CSV (UTF-8 or GB18030) or XLSX. Importing the same file again changes nothing; matters in force are never overwritten by a list.
service-import-file = File
service-import-file-help = The first row holds the titles; department, name and code are needed.
service-import-all-or-nothing = Import nothing if one row is wrong
service-import-start = Import
service-import-report = What became of it
service-import-rows = Rows
service-import-inserted = New
service-import-updated = Changed
service-import-unchanged = Unchanged
service-import-kept = In force, left alone
service-import-refused = Not imported
service-import-refused-whole = Some rows are wrong, so nothing was imported, as you chose; correct them and import again.
service-import-findings = Rows that are wrong
service-import-row = Row
service-import-column = Column
service-import-rule = Rule and remedy
service-import-lacks = Before one can apply for these matters they need:
service-import-no-file = Choose a file.
service-import-no-header = No titles were found in the first 10 rows; columns for department, name and code are needed. The file begins with: { $first }
service-import-column-twice = Two columns mean the same as “{ $title }”; remove one.
service-import-ragged = This row has { $cells } cells but there are { $columns } titles; add or remove commas (put double quotes around text that contains one).
service-import-missing = Must not be empty; fill it in.
service-import-unreadable = Some characters cannot be read; save the file as UTF-8.
service-import-control = Contains line breaks or other control characters; remove them.
service-import-long = Has { $length } characters; { $longest } are allowed. Shorten it.
service-import-type = “{ $value }” is no type of matter; use a code 01–10 or 20, or a name such as 行政许可.
service-import-link = A link must begin with http:// or https://.
service-import-duplicate = The code { $code } is used in row { $row } with other content; change the code or remove one row.

# Topics
service-topic-birth = Birth and adoption
service-topic-household = Household registration
service-topic-ethnic = Ethnic and religious affairs
service-topic-education = Education and research
service-topic-military = Military service
service-topic-work = Jobs and start-ups
service-topic-establish = Setting up and changes
service-topic-operate = Permission to operate
service-topic-qualification = Professional qualifications
service-topic-marriage = Marriage
service-topic-care = Benefits and pensions for veterans
service-topic-planning = Planning and building
service-topic-housing = Housing
service-topic-social = Social security
service-topic-documents = Identity documents
service-topic-traffic = Traffic and travel
service-topic-tourism = Tourism
service-topic-border = Leaving and entering the country
service-topic-consumer = Consumer rights
service-topic-safety = Public safety
service-topic-justice = Justice and notaries
service-topic-intellectual = Intellectual property
service-topic-environment = Environment
service-topic-culture = Culture and sport
service-topic-utilities = Utilities
service-topic-health = Health
service-topic-retirement = Retirement
service-topic-death = Death and burial
service-topic-other = Other
service-topic-accreditation = Accreditation
service-topic-annual = Annual inspection
service-topic-tax = Tax and finance
service-topic-staff = Human resources
service-topic-investment = Investment approval
service-topic-credit = Financing and credit
service-topic-mortgage = Mortgages and pledges
service-topic-trade = Commerce and trade
service-topic-tender = Tenders and auctions
service-topic-customs = Customs and ports
service-topic-foreign = Foreign affairs
service-topic-farming = Farming, forestry and fishing
service-topic-land = Land, planning and building
service-topic-transport = Transport
service-topic-fire = Emergency and fire
service-topic-science = Science and innovation
service-topic-sport = Culture, sport and education
service-topic-quality = Quality and technology
service-topic-quarantine = Inspection and quarantine
service-topic-work-safety = Safety at work
service-topic-police = Police and fire
service-topic-closing = Closing a firm
service-topic-archives = Archives and relics
