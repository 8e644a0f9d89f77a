"""Function words by language: articles, pronouns, prepositions, conjunctions, auxiliaries.

The lists were written for this project and are short on purpose: a word that can be what somebody
looks for ("may", "own", "not") stays. In English they hold what contractions leave behind ("don't"
is "don", "t"), in Romance languages what elisions do ("l'eau" is "l", "eau"). A language that isn't
here is analysed without stopwords.
"""

from __future__ import annotations

from typing import Final


def stopwords(language: str) -> str:
    """Return the stopwords of a language, small and separated by white space; "" without a list."""
    return _LISTS.get(language, "")


_LISTS: Final = {
    "arabic": """
        من في على إلى الى عن مع منذ حتى بين عند لدى و ف ب ل ك أو او أم ثم بل لكن أن ان إن أنه
        انه أنها إنه إنها لأن كما إذا اذا لو هو هي هم هن هما أنا نحن أنت أنتم هذا هذه ذلك تلك
        هؤلاء أولئك الذي التي الذين اللذين اللاتي ما ماذا كان كانت كانوا يكون تكون قد لقد سوف أي
        أيضا كل بعض غير فيه فيها به بها له لها لهم منه منها عليه عليها إليه إليها عنه عنها هناك
        هنا حيث كيف
    """,
    "catalan": """
        el la els les lo l un una uns unes d de del dels a al als en amb per pel pels sense
        sobre entre fins des i o ni però sinó que què qui quin quina com quan on si jo tu ell
        ella nosaltres vosaltres ells elles em m et t es s ens us se li hi ho n ne me te meu
        meva teu teva seu seva seus seves nostre vostre aquest aquesta aquests aquestes aquell
        aquella això allò és són era eren ser estar està ha han he hem havia haver ja molt més
        també
    """,
    "czech": """
        a i o u v ve k ke s se si z ze na do od po pro při před přes bez mezi nad pod za až ale
        nebo ani že aby když jestli protože jak jako který která které kteří kterou kterého co
        kdo kde kdy tak ten ta to ti ty tento tato toto tyto tom tomu toho já mě mi my nás nám
        vy vás vám on ona ono oni ho mu jí ji je jim jich jeho její jejich svůj sebe můj tvůj
        náš váš být jsem jsi jsme jste jsou byl byla bylo byli by bude budou bych už také jen
    """,
    "danish": """
        en et den det de der som og eller men at om hvis når fordi i på til af for fra med ved
        under over efter før mellem mod uden jeg mig min mit mine du dig din dit dine han ham
        hans hun hende hendes vi os vor vores jer jeres dem deres sig sin sit sine man denne
        dette disse er var være været har havde have vil ville skal skulle kan kunne bliver blev
        blive hvad hvem hvor hvordan hvorfor hvilken så da end også her nu
    """,
    "dutch": """
        de het een der des den en of maar want dat dit die deze als om omdat toen dan in op aan
        te van voor met bij uit tot naar door over onder tussen zonder tegen na ik mij me mijn
        jij je jou jouw u uw hij hem zijn zij ze haar wij we ons onze jullie hun hen zich er is
        ben bent was waren geweest word wordt worden werd werden heb hebt heeft hebben had
        hadden zal zullen zou zouden kan kunnen kon wat wie waar hoe wanneer welke welk ook al
        nog zo daar hier
    """,
    "english": """
        a an the this that these those i me my myself we our ours ourselves you your yours
        yourself yourselves he him his himself she her hers herself it its itself they them
        their theirs themselves who whom whose which what when where why how about after among
        at before between by during for from in into of off on onto out over through to toward
        towards until up upon with within and but or if then than so as because while although
        though whether am is are was were be been being have has had having do does did doing
        can could shall should will would ought there here such some any both each either
        neither few more most other same too very just only also again once further
        s t don ll ve isn aren wasn weren doesn didn hasn haven hadn couldn wouldn shouldn ain
        mustn needn mightn shan
    """,
    "esperanto": """
        la kaj aŭ sed nek ke ĉar se kiam kiel ol al de da en sur sub por per pri kun sen el ĝis
        ĉe inter tra post antaŭ pro mi min mia miaj vi vin via li lin lia ŝi ŝin ŝia ĝi ĝin ĝia
        ni nin nia ili ilin ilia si sin sia oni tio tiu tiuj tiun ĉi kio kiu kiuj kiun kie kial
        ĉu jen estas estis estos esti estus tiel tiam tie ankaŭ jam do
    """,
    "estonian": """
        ja ning või ega aga kuid vaid et kui nagu sest kuigi see selle seda sellest sellele
        selles need nende neid ma mina minu mind mul mulle sa sina sinu sind ta tema teda tal
        talle me meie meid te teie teid nad nemad neile oma enda ise kes mis mida mille kelle
        kus kuidas millal on ole olen oled oleme olete oli olid olnud olla oleks pole ei ka siis
        seal siin
    """,
    "finnish": """
        ja tai sekä mutta vaan että jotta koska kun jos vaikka kuin niin myös minä minun minua
        minulla minulle sinä sinun sinua hän hänen häntä hänellä hänelle me meidän meitä te
        teidän teitä he heidän heitä se sen sitä siinä siitä siihen sillä sille ne niiden niitä
        tämä tämän tätä tässä tästä nämä näiden näitä tuo tuon nuo joka jonka jota jossa josta
        johon jolla jotka joita joiden mikä mitä missä mistä mihin kuka kenen on ovat ole olen
        olet olemme olette oli olivat ollut olla olisi olisivat ei en et emme ette eivät
    """,
    "french": """
        le la les l un une des du de d au aux à en dans par pour sur sous avec sans entre vers
        chez et ou mais donc car que qu qui quoi dont où quand comme si lorsque puisque quel
        quelle quels quelles je j tu il elle on nous vous ils elles me m te t se s lui leur
        leurs y moi toi soi eux mon ma mes ton ta tes son sa ses notre nos votre vos ce c cet
        cette ces cela ça ceci celui celle ceux celles est sont suis es sommes êtes était
        étaient être sera seront soit ai as a avons avez ont avait avaient avoir eu aura ne n
        aussi ainsi
    """,
    "german": """
        der die das den dem des ein eine einen einem einer eines und oder aber denn sondern dass
        ob wenn weil als wie da damit in im ins an am ans auf aus bei beim bis durch für mit
        nach seit um unter über von vom vor zu zum zur zwischen ich mich mir mein meine meinen
        meinem meiner du dich dir dein deine er ihn ihm sein seine seinen seinem seiner sie ihr
        ihre ihren ihrem ihrer es wir uns unser unsere euch euer sich man dies diese diesen
        diesem dieser dieses jene jener welche welcher welches was wer wo wann warum bin bist
        ist sind war waren sei wäre gewesen habe hat haben hatte hatten hätte werde wird werden
        wurde wurden worden würde würden kann können konnte soll sollen sollte auch so noch nur
        hier dort
    """,
    "greek": """
        ο η το οι τα του της των τον την τους τις ένας ένα μια μία ενός μιας και κι ή είτε αλλά
        όμως ότι πως που να θα ας αν όταν όπως γιατί επειδή σε στο στη στην στον στα στους στις
        στων από με για προς κατά μετά παρά αντί χωρίς μέχρι έως εγώ εσύ αυτός αυτή αυτό αυτοί
        αυτές αυτά αυτού αυτής αυτών εμείς εσείς μου σου μας σας τι ποιος ποια ποιο ποιοι οποίος
        οποία οποίο οποίοι οποίες είναι ήταν είμαι είσαι είμαστε είχε είχαν έχει έχουν έχω
        έχουμε εδώ εκεί
    """,
    "hindi": """
        का के की को में से पर ने तक और या एवं तथा लेकिन परंतु कि जो जिस जिसके जिसकी जिसे जिन
        जिनके यदि तो यह ये वह वे इस इन उस उन इसके इसकी इसका इसे उसके उसकी उसका उसे उनके उनकी
        उनका उन्हें इन्हें मैं मुझे मेरा मेरी मेरे हम हमें हमारा हमारी हमारे तुम आप अपना अपनी
        अपने है हैं था थी थे हो हूँ हुआ हुई हुए होता होती होते होना रहा रही रहे गया गई गए कर
        करता करते करना किया लिए साथ ही भी क्या कौन कहाँ कब कैसे जब तब जहाँ वहाँ यहाँ कोई कुछ
        द्वारा
    """,
    "hungarian": """
        a az egy és s is vagy de hanem hogy ha mert mint mivel amikor ami amely amelyek akik aki
        ez ezt ezek ezen erre ebben azt azok azon arra abban én engem te téged ő őt mi minket ti
        titeket ők őket nekem neki nekik maga magát van vannak volt voltak lesz lenne legyen
        lett lehet vagyok volna meg el ki be fel le át után alatt között szerint által mellett
        felett hol hogyan miért már még csak így úgy itt ott
    """,
    "indonesian": """
        yang dan atau tetapi tapi namun serta di ke dari pada dalam untuk dengan oleh kepada
        terhadap tentang antara bagi sebagai ini itu tersebut adalah ialah merupakan bahwa
        karena jika kalau bila ketika saat sehingga agar supaya maka saya aku kamu anda engkau
        dia ia mereka kami kita nya ku mu telah sudah akan sedang juga lagi pun lah kah apa
        siapa mana bagaimana mengapa para sang si
    """,
    "irish": """
        an na a agus is nó ach go gur má dá mar nuair i in ins sa san ar ag as ó do de le faoi
        thar trí roimh um gan idir chuig tar mé tú sé sí sinn sibh siad é í iad mo ár bhur seo
        sin siúd cé cad conas cathain tá bhí beidh bhfuil níl raibh ba bheith b d m t dom duit
        dó di dúinn daoibh dóibh agam agat aige aici againn agaibh acu air uirthi orm ort orainn
        orthu leis léi
    """,
    "italian": """
        il lo la i gli le l un uno una di d a da in con su per tra fra del dello della dei degli
        delle dell al allo alla ai agli alle all dal dallo dalla dai dagli dalle dall nel nello
        nella nei negli nelle nell sul sullo sulla sui sugli sulle sull col coi e ed o od ma che
        chi cui se come quando dove perché quale quali io tu lui lei noi voi loro egli ella essi
        esse mi m ti t si s ci c vi ne n me te sé mio mia miei mie tuo tua suo sua suoi sue
        nostro nostra vostro vostra questo questa questi queste quello quella quelli quelle ciò
        è sono siamo siete era erano essere stato stata fu ha ho hai abbiamo avete hanno aveva
        avevano avere anche
    """,
    "lithuanian": """
        ir ar arba bet o kad jog jei jeigu kai kaip nes nors į iš ant apie su be dėl iki nuo per
        po prie pagal prieš tarp už pro aš mane man mano tu tave tau tavo jis ji jį ją jo jos
        jam jai mes mus mums mūsų jūs jus jums jūsų jie jų jiems juos jas save sau savo tai tas
        ta to tos tuo tie tų šis ši šio šios šie šių šį šią kas ko kam kuris kuri kurie kurios
        kurį kurią kurio kur kada kodėl yra esu esi esame buvo būti bus būtų būna dar jau irgi
        taip
    """,
    "norwegian": """
        en ei et den det de der som og eller men at om hvis når fordi i på til av for fra med
        ved under over etter før mellom mot uten jeg meg min mi mitt mine du deg din ditt dine
        han ham hans hun henne hennes vi oss vår vårt våre dere deres dem seg sin sitt sine man
        denne dette disse er var være vært har hadde ha vil ville skal skulle kan kunne blir ble
        bli blitt hva hvem hvor hvordan hvorfor hvilken så da enn også her nå ein eit eg dei
        ikkje frå kva korleis
    """,
    "persian": """
        و در به از که را با برای تا بر یا اما ولی اگر چون زیرا این آن اینها آنها همین همان من تو
        او ما شما ایشان خود ای هم نیز هر یک چه چرا کجا کی چگونه کدام است هست هستند بود بودند
        باشد باشند شد شده شدند می نمی ها های شود شوند کرد کرده کند کنند خواهد خواهند بین روی زیر
        پس پیش بدون درباره همچنین آیا
    """,
    "polish": """
        a i o u w we z ze na do od po pod nad przed przez przy za dla bez między oraz lub albo
        ale lecz że żeby aby gdy jeśli jeżeli ponieważ jak jako niż co kto który która które
        którzy którego której których którym gdzie kiedy dlaczego ten ta to te ci tego tej tych
        tym temu tę tą ja mnie mi ty ciebie cię on ona ono oni one jego jej ich go mu ją im nim
        nich nią my nas nam wy was wam się siebie sobie mój moja moje twój swój swoja swoje nasz
        wasz jest są był była było były być będzie będą jestem by też także tak tam tu już
    """,
    "portuguese": """
        o a os as um uma uns umas de do da dos das em no na nos nas por pelo pela pelos pelas
        para com sem sobre entre até desde ao aos à às e ou mas nem que quem qual quais cujo
        cuja quando onde como se porque eu tu ele ela nós vós eles elas você vocês me te lhe
        lhes lo la los las mim ti si meu minha meus minhas teu tua seu sua seus suas nosso nossa
        nossos nossas este esta estes estas esse essa esses essas aquele aquela aqueles aquelas
        isto isso aquilo dele dela deles delas num numa é são sou era eram foi foram ser sido
        está estão estava estar tem têm tinha ter há também já
    """,
    "romanian": """
        un o unei unui niște al a ai ale cel cea cei cele de din la în pe cu prin pentru spre
        sub peste între fără după până dintre dintr într și sau ori dar însă iar că să dacă când
        cum deoarece care ce cine unde cărui cărei căror eu tu el ea noi voi ei ele mă te se ne
        vă îl îi le îmi îți își mi ți i l lui lor mea meu mei mele tău ta său sa săi sale nostru
        noastră acest această acești aceste acesta aceasta acel acea acei acele este e sunt era
        erau fi fost am are avem aveți au avea va vor fie ar mai şi ţi îţi îşi
    """,
    "russian": """
        и а но или да что чтобы если когда как хотя потому так же ли бы то в во на с со к ко о
        об обо от из у за по до для без при под над перед через между про я меня мне мной ты
        тебя тебе он его ему им нем нём она ее её ей ней оно мы нас нам нами вы вас вам вами они
        их ими них ним себя себе собой мой моя мое моё мои твой свой своя свое своё свои своих
        наш наша наше наши ваш этот эта это эти этого этой этих этом этому тот та те того той
        тех том тому который которая которое которые которого которой которых котором кто чего
        чем чём где куда почему был была было были быть будет будут есть уже еще ещё тоже также
        там тут здесь
    """,
    "serbian": """
        i a ali ili ni da što jer ako kad kada kao dok nego već u na o s sa k ka od iz do za po
        pri pod nad pred kroz između bez zbog prema ja mene me meni mi ti tebe te on ona ono
        njega ga njemu mu nje je joj nju nas nam vi vas vam oni one njih ih njima im sebe se
        sebi moj moja moje tvoj svoj svoja svoje naš vaš njegov njen njihov ovaj ova ovo ovi ove
        ovog taj ta to tog tom onaj koji koja koje kojih kojoj kojem kojim ko šta gde kako zašto
        sam si smo ste su biti bio bila bilo bili bile će ću ćemo bi bih li и а али или ни да
        што јер ако кад када као док него већ у на о с са к ка од из до за по при под над пред
        кроз између без због према ја мене ме мени ми ти тебе те он она оно њега га њему му ње
        је јој њу нас нам ви вас вам они оне њих их њима им себе се себи мој моја моје твој свој
        своја своје наш ваш његов њен њихов овај ова ово ови ове овог тај та то тог том онај
        који која које којих којој којем којим ко шта где како зашто сам си смо сте су бити био
        била било били биле ће ћу ћемо би бих ли
    """,
    "spanish": """
        el la los las lo un una unos unas de del a al en con por para sin sobre entre hasta
        desde hacia y e o u ni pero sino que qué quien quién quienes cual cuál cuales cuyo cuya
        cuando cuándo donde dónde como cómo si porque yo tú él ella ello nosotros vosotros ellos
        ellas usted ustedes me te se nos os le les mi mis mí tu tus su sus sí mío mía tuyo suyo
        suya nuestro nuestra nuestros nuestras vuestro este esta estos estas esto ese esa esos
        esas eso aquel aquella aquellos aquellas aquello es son soy eres somos era eran fue
        fueron ser sido está están estaba estaban estar ha han he hemos había habían haber hay
        también ya
    """,
    "swedish": """
        en ett den det de som och eller men att om när därför i på till av för från med vid
        under över efter före mellan mot utan jag mig min mitt mina du dig din ditt dina han
        honom hans hon henne hennes vi oss vår vårt våra ni er ert era dem deras sig sin sitt
        sina man denna detta dessa är var vara varit har hade ha haft vill ville skall ska
        skulle kan kunde blir blev bli blivit vad vem vilken vilket vilka hur varför så då än
        också här där nu
    """,
    "turkish": """
        ve veya ya da de ile ama fakat ancak çünkü ki ise eğer gibi için kadar göre bir bu şu o
        bunu bunun buna bunda bundan şunu şunun onu onun ona onda ondan bunlar şunlar onlar
        onları onların onlara ben beni benim bana bende benden sen seni senin sana biz bizi
        bizim bize siz sizi sizin size kendi kendisi ne neden niçin nasıl kim nerede hangi mi mı
        mu mü idi imiş dir olan olarak olup olduğu her hem daha en çok
    """,
}
