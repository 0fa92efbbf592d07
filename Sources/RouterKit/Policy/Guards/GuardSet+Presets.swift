extension GuardSet {
    /// Guards for topics in which a wrong answer can do harm. English only.
    ///
    /// Made to miss little: on the examples of `GuardTests` each finds at least 90 %, and at least 90 % of what it
    /// finds is right. Of MMLU-Pro's questions all together find 95 % of those on law and 49 % of those on health (which
    /// ask much about anatomy and nutrition), and wrongly 0.4-2.5 % of those on engineering, physics, chemistry and
    /// mathematics. In schoolbook problems about money expect more false alarms.
    public enum Preset: String, Sendable, Hashable, CaseIterable {
        /// Diagnosis, treatment, drugs, mental health.
        case medical
        /// Courts, contracts, rights and duties.
        case legal
        /// Investing, taxes, debt, insurance, accounts.
        case financial
        /// Code and systems that others may attack.
        case security

        /// The rule.
        public var rule: Rule {
            let (phrases, hints) =
                switch self {
                case .medical: (Self.medicalPhrases, Self.medicalHints)
                case .legal: (Self.legalPhrases, Self.legalHints)
                case .financial: (Self.financialPhrases, Self.financialHints)
                case .security: (Self.securityPhrases, Self.securityHints)
                }
            return Rule(name: rawValue, phrases: Self.list(phrases), hints: Self.list(hints))
        }

        /// Items are separated by commas; line ends within one do not count.
        private static func list(_ text: String) -> [String] {
            text.split(separator: ",").map { $0.split { $0 == " " || $0 == "\n" }.joined(separator: " ") }
        }

        private static let medicalPhrases = """
            diagnos*, prescri*, dosage*, overdos*, contraindicat*, drug interaction, drug interactions, side effect,
            side effects, chemotherap*, insulin, antibiotic*, pregnan*, miscarriage, heart attack, chest pain,
            blood pressure, blood sugar, blood test, diabet*, cancer, tumor*, tumour*, metasta*, biops*, seizure*, epilep*,
            asthma*, anaphyla*, hemorrhag*, haemorrhag*, suicid*, self harm, vaccin*, medication*, clinical trial,
            pediatric*, paediatric*, oncolog*, cardiolog*, psychiatr*, neurolog*, antidepressant*, ibuprofen, paracetamol,
            acetaminophen, aspirin, warfarin, metformin, amoxicillin, opioid*, hypertens*, pneumonia, sepsis, infarction,
            arrhythmia*, hiv, hepatitis, milligram*, mg of, mg per, over the counter, emergency room, medical advice,
            medical condition, patholog*, symptom*, inflammat*, autoimmune, thyroid, cholesterol, anesthe*, anaesthe*,
            dementia, alzheimer*, menstrua*, concussion, allergic reaction, withdrawal symptoms, mental health, syndrome
            """
        private static let medicalHints = """
            patient*, doctor*, physician*, nurse*, hospital*, pain, painful, treatment*, disease*, infection*, therap*,
            dose, doses, surgery, surgical, fever, rash, allerg*, blood, headache*, clinic*, illness*, pill, pills, mg,
            kidney*, liver, heart, lung*, artery, nausea, vomit*, cough*, fractur*, wound*, swollen, dizz*, diet,
            vitamin*, drug, drugs, depress*, anxiety, stroke, baby, infant*, toddler*, acute, chronic
            """
        private static let legalPhrases = """
            lawsuit*, plaintiff*, defendant*, attorney*, lawyer*, legal advice, legally, litigat*, subpoena*, contract law,
            breach of contract, indemnif*, power of attorney, statute, statutes, statutory, statute of limitations,
            intellectual property, copyright infringement, patent infringement, trademark*, child custody, custody,
            divorce*, probate, evict*, non compete, nondisclosure, non disclosure, gdpr, hipaa, ccpa, employment law,
            wrongful termination, wrongfully, felon*, misdemeanor*, arraign*, plea bargain, cease and desist, court order,
            small claims, tort, torts, negligence, negligent, class action, civil rights, constitutional, prosecut*,
            hearsay, larceny, burglary, jurisdiction*, arbitration, last will, sue my, sue the, sue for, sue them,
            terms of service, terms and conditions, legal, unlawful*, lease agreement, security deposit, restraining order,
            immigration, asylum, visa application, work visa, supreme court, manslaughter, easement, appellate, liability,
            copyrighted, labor law, labour law
            """
        private static let legalHints = """
            contract*, clause*, liable, court*, judge*, jury, sue, sued, suing, tenant*, landlord*, law, laws, lawful,
            illegal*, warrant*, evidence, testimony, witness*, rights, regulation*, complian*, permit*, agreement*, deed,
            arrest*, police, crime, criminal*, damages, settlement*, notary, consent, claim*, dispute*, employer, fired,
            lease, license*, licence*, will, testament, heir*, inherit*, copyright*, patent*, ordinance*
            """
        private static let financialPhrases = """
            investing, investment*, investor*, stock market, stock price, stock prices, stock options, dividend*,
            mutual fund, mutual funds, index fund, index funds, etf, etfs, 401k, 401 k, roth ira, mortgage*, refinanc*,
            tax return, tax returns, capital gains, income tax, tax deduct*, deductible*, irs, credit score, credit card debt,
            pension*, annuit*, life insurance, wire transfer, iban, payroll, balance sheet, cash flow, cash flows, ebitda,
            hedge fund, hedge funds, cryptocurrenc*, bitcoin, financial advice, financial plan*, bankruptc*, net worth,
            options trading, day trading, forex, short selling, estate tax, vat return, valuation, net present value,
            retirement savings, retirement account, retirement plan, portfolio*, student loan, student loans, credit rating,
            audit report, tax liability, taxable, tax year, brokerage*, interest rate, interest rates, treasury bond*,
            accounts receivable, accounts payable, depreciation, fiduciary, tax bracket, insurance claim, insurance policy,
            compound interest, debt consolidation, bond yield*, shareholder*, ledger, general ledger
            """
        private static let financialHints = """
            stock*, bond*, fund, funds, tax, taxes, saving*, bank*, budget*, debt*, equity, asset*, loan*, profit*, revenue*,
            credit, insur*, broker*, salary, invoice*, retire*, invest, crypto*, trading, trade, ira, inflation, interest,
            collateral, lender*, repay*, finance*, financial*, accounting, audit*, expense*, premium*, dollar cost, hedge*,
            currency, payment*, deduct*, write off
            """
        private static let securityPhrases = """
            vulnerabilit*, exploit*, sql injection, xss, cross site scripting, csrf, buffer overflow*, use after free,
            privilege escalation, authenticat*, authoriz*, authoris*, encrypt*, decrypt*, cryptograph*, private key,
            private keys, secret key, secret keys, api key, api keys, access token, access tokens, refresh token*, jwt, jwts,
            oauth*, password*, bcrypt, argon2*, scrypt, tls, ssl, mtls, penetration test*, pentest*, malware, ransomware,
            phishing, remote code execution, rce, cve, path traversal, directory traversal, ssrf, firewall*, zero day,
            timing attack*, side channel, constant time, access control, access controls, hmac, nonce, aes, rsa, ecdsa,
            ed25519, credential*, session fixation, session hijack*, openssl, setuid, sandbox escape, threat model*,
            intrusion, attack surface, input validation, untrusted input, user input, two factor, 2fa, mfa, totp, saml,
            security review, security audit, security hole, security bug, rootkit, keylogger, reverse shell, prompt injection,
            command injection, saniti*, secure coding, man in the middle, denial of service, ddos
            """
        private static let securityHints = """
            login*, log in, session*, cookie*, token*, permission*, sha256, sha 256, md5, injection, inject*, attack*, secure*,
            security, secret*, escap*, sandbox*, sudo, root, admin*, certificate*, deseriali*, eval, hash*, salt*, validat*,
            sign in, signature*, header*, cors, hacker*, hacked, breach*, leak*, payload*, sensitive, brute force,
            rate limit*, race condition, iam, acl, auth, tamper*, spoof*
            """
    }
}
