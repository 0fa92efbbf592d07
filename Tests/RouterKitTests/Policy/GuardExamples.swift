import RouterKit

/// Prompts written for the tests of guards: what belongs to each topic, and what belongs to none.
enum GuardExamples {
    static let topics: [(GuardSet.Preset, [String])] = [
        (.medical, list(medical)), (.legal, list(legal)), (.financial, list(financial)), (.security, list(security)),
    ]
    static let others = list(everyday)

    private static func list(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    private static let medical = """
        What is the maximum daily dose of ibuprofen for an adult?
        My chest hurts when I breathe in, should I see a doctor?
        Can I take paracetamol while breastfeeding?
        A 54-year-old man presents with crushing chest pain radiating to the left arm. What is the next step?
        Explain my MRI result: mild disc herniation at L4-L5, is surgery needed for the pain?
        Is it safe to stop taking antidepressants suddenly?
        My toddler has had a fever of 39.5 for three days and a rash on the belly
        How do I know if a mole is skin cancer?
        Which vaccines does a baby need in the first year?
        Interactions between warfarin and grapefruit
        I feel like ending it all, I think about suicide every day
        What does an HbA1c of 8.2 mean for a patient with type 2 diabetes?
        Symptoms of appendicitis in children
        How long does it take for amoxicillin to work on a sinus infection?
        Write a care plan for an elderly patient after hip surgery
        ¿Qué significa presión alta? Tell me about hypertension please
        Is a heart rate of 110 at rest dangerous after a heart attack?
        Compare chemotherapy and immunotherapy for stage III melanoma
        What should I eat when pregnant?
        my dad had a stroke yesterday, the hospital says he cannot swallow
        Differential diagnosis of acute abdominal pain
        How many mg of melatonin can a 12 year old take?
        I got bitten by a tick and now the wound is swollen and painful
        Explain the side effects of statins
        What causes sudden dizziness and nausea in the morning?
        """

    private static let legal = """
        Can my landlord evict me without notice?
        Draft a non-disclosure agreement between two companies
        What is the statute of limitations for medical malpractice in Texas?
        Am I liable if a guest falls on my stairs and sues me?
        Review this contract clause on limitation of liability
        Is it legal to record a phone call without consent?
        How do I file for divorce and get custody of my kids?
        My employer fired me while I was sick, is that wrongful termination?
        Explain the elements of negligence in tort law
        Does GDPR apply to a company in Canada with customers in France?
        Write a cease and desist letter to a competitor using our trademark
        What happens to a will if the witness is also an heir?
        Can a tenant withhold rent when the heating is broken, and what does the law say?
        Difference between a felony and a misdemeanor
        The defendant was convicted of larceny; what defense could be raised on appeal?
        How to apply for asylum in Germany
        Does the police need a warrant to search my car, and what are my rights?
        Summarize this Supreme Court decision on free speech
        Is this lease agreement enforceable if I was not 18?
        What is indemnification in a services agreement?
        Can I use a copyrighted song in my YouTube video?
        What counts as hearsay evidence at trial?
        How do I contest a parking ticket in small claims court?
        Who owns the intellectual property of code I wrote at work?
        Explain the plea bargain process
        """

    private static let financial = """
        Should I invest in index funds or pay off my mortgage first?
        How are capital gains taxed when I sell stock after two years?
        Explain how a Roth IRA differs from a traditional one
        Write a cash flow forecast for a small bakery
        Is it a good time to buy bitcoin?
        What is a good credit score for a car loan?
        How do I report freelance income on my tax return?
        Analyse this balance sheet and tell me whether the firm is solvent
        Build a retirement savings plan for a 40 year old
        What is the difference between term and whole life insurance?
        Explain the Black-Scholes model for options trading
        How should I diversify my portfolio at 60?
        Calculate the monthly payment of a 300,000 mortgage at 4.5 %
        Can I deduct home office expenses from my taxes?
        What do rising interest rates mean for bond prices?
        How do I dispute an error with a credit bureau about my debt and loan?
        Company X has revenue of 5M and a net profit of 1M; is its equity fairly priced?
        Explain EBITDA to a beginner
        Should I refinance my student loans?
        What is dollar cost averaging when trading stocks?
        Prepare the journal entries for depreciation of equipment
        How does chapter 11 bankruptcy affect shareholders?
        Draft an audit report summary for the board
        My bank froze my account, how do I get my savings out?
        What pension will I get if I retire at 63?
        """

    private static let security = """
        Is this login function safe against SQL injection?
        Write code to hash passwords with bcrypt
        Review this JWT validation code for mistakes
        How do I store API keys in a mobile app?
        Find the buffer overflow in this C program
        Implement OAuth2 authorization code flow in Go
        Explain how CSRF tokens protect a form
        Encrypt a file with AES-GCM in Python
        How can an attacker exploit a race condition in this setuid program?
        Configure TLS certificates for nginx
        Sanitize user input before rendering HTML
        Write a firewall rule that blocks outbound SMTP
        What is a timing attack and how do I compare secrets in constant time?
        Set up two factor authentication for our admin panel
        Does this code have a path traversal vulnerability?
        My server was hacked, there is a strange cron job run by root, what now?
        Deserialize untrusted data with pickle: is the payload dangerous?
        Write a threat model for a payment service
        Rotate the private keys of our signing service
        How to set the session cookie flags so that it is secure?
        Harden SSH: disable root login and passwords
        Explain CVE-2021-44228
        Write an IAM policy with the least permissions for this bucket
        Check this eval of a user-provided string for injection risks
        Design access control for a multi-tenant application
        """

    private static let everyday = """
        Write a haiku about autumn leaves
        What is the capital of Australia?
        Translate "good morning" into Italian
        Sort a list of integers in Swift
        Summarise the plot of Hamlet in three sentences
        How many legs do six spiders have?
        Give me five ideas for a birthday party for a ten year old
        Explain photosynthesis to a child
        What is the derivative of x squared times sine x?
        Fix the off-by-one error in this loop
        Who painted the Mona Lisa?
        Write a cover letter for a job as a teacher
        Convert 30 degrees Celsius to Fahrenheit
        Recommend three science fiction novels
        How do I remove a red wine stain from a carpet?
        Tom has 12 apples and gives 5 to Ann. How many are left?
        Write a unit test for a function that reverses a string
        What is the difference between a lion and a tiger?
        Plan a three day trip to Lisbon
        Prove that there are infinitely many primes
        How long should I boil an egg?
        Explain the rules of chess
        Write a product description for a wooden chair
        Which planet has the most moons?
        Refactor this class into smaller ones
        Draw an ASCII cat
        What does the word "serendipity" mean?
        List the countries that border Brazil
        Write a SQL query that counts rows per month
        How do I centre a div with CSS?
        Make a vegetarian lasagne recipe
        Explain the French Revolution in 100 words
        How do magnets work?
        Rewrite this paragraph in a friendlier tone
        What is the time difference between Tokyo and London?
        Generate names for a coffee shop
        Describe the water cycle
        Find the roots of x^2 - 5x + 6
        Tell me a joke about penguins
        Which brush stroke did Van Gogh use?
        """
}
