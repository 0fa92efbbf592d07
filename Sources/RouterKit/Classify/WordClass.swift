/// What a known word says about a prompt. A word may belong to several classes.
struct WordClass: OptionSet {
    let rawValue: UInt32

    static let function = WordClass(rawValue: 1 << 0)
    static let question = WordClass(rawValue: 1 << 1)
    static let greeting = WordClass(rawValue: 1 << 2)
    static let lookup = WordClass(rawValue: 1 << 3)
    static let transform = WordClass(rawValue: 1 << 4)
    static let create = WordClass(rawValue: 1 << 5)
    static let reason = WordClass(rawValue: 1 << 6)
    static let constraint = WordClass(rawValue: 1 << 7)
    static let negation = WordClass(rawValue: 1 << 8)
    static let arithmetic = WordClass(rawValue: 1 << 9)
    static let maths = WordClass(rawValue: 1 << 10)
    static let physics = WordClass(rawValue: 1 << 11)
    static let chemistry = WordClass(rawValue: 1 << 12)
    static let medicine = WordClass(rawValue: 1 << 13)
    static let law = WordClass(rawValue: 1 << 14)
    static let finance = WordClass(rawValue: 1 << 15)
    static let computing = WordClass(rawValue: 1 << 16)
    static let humanities = WordClass(rawValue: 1 << 17)
    static let mind = WordClass(rawValue: 1 << 18)
    static let everyday = WordClass(rawValue: 1 << 19)
    static let exam = WordClass(rawValue: 1 << 20)
    static let statement = WordClass(rawValue: 1 << 21)
    static let code = WordClass(rawValue: 1 << 22)
    static let open = WordClass(rawValue: 1 << 23)

    /// Set by `Vocabulary` on the first words of phrases, so that pairs are looked up only after one of them.
    static let phraseHead = WordClass(rawValue: 1 << 31)

    /// The number of classes that are counted.
    static let count = 24

    /// The classes whose words say what is to be done.
    static let tasks: WordClass = [.reason, .create, .transform]

    /// The classes that name a field of knowledge.
    static let domains: WordClass = [
        .maths, .physics, .chemistry, .medicine, .law, .finance, .computing, .humanities, .mind,
    ]
}

extension WordClass {
    /// The known words and two-word phrases (joined by `_`) of each class: lower case, ASCII letters only.
    ///
    /// Chosen by hand. What each class is worth was fitted, except where `HeuristicWeights` says otherwise.
    static let lexicon: [(WordClass, String)] = [
        (
            .function,
            """
            a about above after again all also am an and any are as at be because been before being below between both
            but by can could did do does down during each either else even ever every few for from further get give go
            had has have he her here hers him his how i if in into is it its itself just know like made make many may me
            might more most much my need no nor not now of off on once one only or other our out over own same she
            should so some such than that the their them then there these they this those through to too two under
            until up us use used very was we were what when where which while who whom whose why will with within
            without would you your
            """
        ),
        (.question, "what which who whom whose when where why how"),
        (
            .greeting,
            """
            hi hello hey hiya howdy greetings morning evening afternoon goodnight bye goodbye thanks thank thx cheers
            welcome please sorry ok okay yes yeah yep nope sure great cool nice awesome perfect lol haha joke ping test
            how_are good_morning good_night good_evening thank_you nice_to
            """
        ),
        (
            .lookup,
            """
            capital currency synonym synonyms antonym abbreviation acronym spell spelled spelling pronounce flag
            anthem opposite plural stand_for stands_for what_color what_colour
            """
        ),
        (
            .transform,
            """
            translate translation summarize summarise summary shorten rephrase paraphrase rewrite reword proofread
            correct grammar format reformat bullet bullets convert lowercase uppercase capitalize sort alphabetical
            extract list classify sentiment title headline tldr simplify
            """
        ),
        (
            .create,
            """
            write poem story essay song lyrics letter email blog article speech script slogan brainstorm ideas imagine
            invent compose draft recipe plan itinerary haiku limerick novel character dialogue
            """
        ),
        (
            .reason,
            """
            prove proof show derive derivation explain analyze analyse analysis compare contrast evaluate assess justify
            argue argument critique implications infer deduce conclude conclusion therefore hence thus suppose assume
            assuming given consider determine reasoning rigorous counterexample optimal optimize trade_off tradeoffs
            step_by show_that prove_that if_and
            """
        ),
        (
            .constraint,
            """
            must exactly least most only every each without within between unless except constraint constraints require
            required requirement requirements ensure satisfy satisfies subject respectively distinct following_conditions
            at_least at_most no_more no_less more_than less_than such_that
            """
        ),
        (.negation, "not no never none neither nor cannot incorrect false except least unlikely isn doesn don aren"),
        (
            .arithmetic,
            """
            total each cost costs price dollars dollar cents money bought buys buy sold sells sell spend spends spent
            pay pays paid earn earns earned hour hours minute minutes day days week weeks month months year years old
            age older younger twice half third quarter double triple times more less left remaining altogether many
            much percent percentage average miles mile feet foot inches pounds ounces gallons dozen pieces apples
            children students people per weighs distance speed discount profit
            how_many how_much how_long how_far how_old
            """
        ),
        (
            .maths,
            """
            integral derivative polynomial polynomials matrix matrices vector vectors eigenvalue eigenvalues theorem
            lemma prime primes integer integers modulo divisible divisor divisors factorial permutation permutations
            combinations probability random variable variance expectation distribution gaussian bijection injective
            surjective group subgroup homomorphism isomorphic ring field abelian cyclic topology topological compact
            hausdorff metric convergent converges diverges series sequence limit continuous differentiable function
            functions equation equations inequality quadratic cubic roots root real complex angle angles triangle circle
            radius diameter perimeter area volume polygon parabola hyperbola ellipse tangent perpendicular parallel
            bisector hypotenuse sine cosine logarithm log sqrt frac mathbb coefficient coefficients arithmetic geometric
            algebra algebraic calculus geometry graph vertices edges subset subsets determinant orthogonal domain
            axiom finite infinite factor factors digits digit sum product remainder
            """
        ),
        (
            .physics,
            """
            velocity acceleration force momentum energy kinetic potential mass gravity gravitational electric magnetic
            field charge current voltage resistance resistor capacitor circuit wavelength frequency photon photons
            electron electrons proton neutron nucleus quantum relativity spectrum optical lens mirror focal thermal
            entropy enthalpy adiabatic isothermal pressure temperature heat piston turbine torque friction pendulum
            oscillation wave waves diffraction interference radiation radioactive orbit star stars galaxy planet
            telescope joule joules newton watt watts volts ampere tesla kelvin density viscosity fluid flow steam
            speed_of beam stress strain shaft modulus elastic
            """
        ),
        (
            .chemistry,
            """
            molecule molecules molecular atom atoms atomic ion ions acid base acids bases ph buffer solution solvent
            solute molar mole moles molarity titration oxidation reduction redox catalyst equilibrium reaction reactions
            reactant product bond bonds covalent ionic hydrogen oxygen carbon nitrogen sodium chlorine organic compound
            compounds alkane alkene ester ketone aldehyde alcohol polymer isotope isotopes electronegativity orbital
            orbitals hybridization nmr spectroscopy precipitate gas gases stoichiometry benzene
            """
        ),
        (
            .medicine,
            """
            patient patients diagnosis symptoms symptom disease diseases treatment therapy drug drugs dose clinical
            syndrome cancer tumor infection bacteria bacterial virus viral antibiotic antibiotics blood heart cardiac
            lung pulmonary kidney renal liver hepatic brain nerve nerves muscle muscles artery vein bone pain fever
            physician hospital surgery surgical vaccine immune antibody gene genes genetic dna rna chromosome
            chromosomes protein proteins enzyme enzymes cell cells mitosis meiosis membrane mitochondria species
            evolution population organism organisms plant plants animal animals allele phenotype genotype hormone
            insulin glucose metabolism vitamin nutrition diet pregnancy infant anatomy examination
            year_old woman_presents man_presents
            """
        ),
        (
            .law,
            """
            court courts plaintiff defendant defendants statute statutory constitutional constitution amendment contract
            contracts liability liable negligence tort felony misdemeanor homicide murder burglary larceny robbery
            prosecution prosecutor jury judge trial appeal appeals jurisdiction evidence hearsay testimony witness
            attorney lawyer landlord tenant easement deed property owner buyer seller breach damages suit sued sues
            injunction legislation legislature congress federal supreme treaty sovereignty international convict
            convicted arrest arrested warrant police guilty crime criminal intent motion admissible
            """
        ),
        (
            .finance,
            """
            revenue inflation monetary fiscal demand supply elasticity monopoly oligopoly market markets gdp
            unemployment interest bond bonds stock stocks shares dividend dividends equity debt loan mortgage asset
            assets liabilities accounting depreciation amortization audit budget tax taxes taxation bank banks
            investor investors investment portfolio firm firms corporation company companies management
            manager marketing consumer consumers customer customers business businesses stakeholder stakeholders
            tariff trade import imports export exports exchange currency wage wages labor labour price prices surplus
            marginal invoice partnership shareholders ethical corporate organisation organisations
            """
        ),
        (
            .computing,
            """
            algorithm algorithms complexity compiler cpu processor cache memory kernel thread threads mutex deadlock
            concurrency database sql query index schema transaction network tcp ip protocol packet router server client
            encryption hash binary tree linked stack queue heap array pointer recursion recursive turing np automaton
            regex grammar software hardware bit bits byte bytes register instruction neural classifier gradient
            regression overfitting training dataset kubernetes docker linux api json distributed consensus latency
            scalability architecture refactor debug race
            """
        ),
        (
            .code,
            """
            def return import class const let var func fn void int str bool null none self lambda async await print
            println printf elif len append range struct enum interface public private static python javascript
            typescript java rust swift golang bash html css assert function code snippet unittest exception
            stacktrace nullpointerexception
            """
        ),
        (
            .humanities,
            """
            war empire emperor king queen century revolution treaty colonial ancient medieval renaissance church
            religion religious christian christianity islam muslim jewish buddhist buddhism hindu philosophy
            philosopher moral morality ethics kant hume plato aristotle socrates descartes utilitarianism virtue
            epistemology metaphysics political politics government democracy democratic state states policy party
            election vote president foreign soviet union german french british roman greek culture cultural
            literature poet novel author archaeological archaeology civilization historical history historians
            slavery independence passage
            """
        ),
        (
            .mind,
            """
            psychology psychologist cognitive behavior behaviour behavioral personality freud piaget erikson skinner
            conditioning reinforcement anxiety depression disorder disorders schizophrenia therapist counseling
            motivation emotion emotional attitude attitudes perception intelligence memory learning
            attachment adolescent adolescents child developmental sociology social socialization society class gender
            norms stereotypes group groups self_esteem stress research participants hypothesis correlation
            """
        ),
        (
            .everyday,
            """
            food cook cooking eat dinner lunch breakfast dog cat pet pets house home car garden shopping clothes shoes
            music movie movies film game games sport sports football basketball team player weather rain snow sun beach
            holiday birthday party friend friends mother father family school teacher book books phone water tea coffee
            color colour red blue green actor actress singer band song album episode season show
            """
        ),
        (
            .open,
            """
            explain describe discuss tips advice ideas steps ways suggest suggestions recommend recommendations examples
            how_do how_can how_would how_should how_to how_does what_if what_would what_are why_do why_does why_is
            why_are can_you could_you tell_me should_i
            """
        ),
        (.exam, "following which_of of_the best describes statement statements correct true answer option options"),
        (
            .statement,
            """
            i_only ii_only iii_only i_and and_ii and_iii not_wrong wrong_not wrong_wrong true_true true_false false_true
            false_false
            """
        ),
    ]
}
