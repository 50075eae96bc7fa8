service-reveal = Show personal details in full
service-reveal-purpose = What for
service-reveal-purpose-help = As “to phone about a missing plan”. It is recorded, the applicant reads it, and it lasts 15 minutes.
service-reveal-purpose-missing = Say what for, in 2 to 200 characters, as “to phone about a missing plan”.
service-reveal-open = Shown in full until { $until }; this look was recorded.
service-reveals = Who saw your details in full
service-reveals-none = Nobody yet. Officers usually see your numbers masked.
service-reveals-text = Officers usually see your numbers masked. Seeing them in full takes a purpose, and is recorded here.
