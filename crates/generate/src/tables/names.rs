//! Given and family names by origin: plain facts, put together here.

/// Names and categories of one origin.
#[derive(Debug)]
pub struct Origin {
    /// Share among households, in parts of the sum.
    pub weight: u32,
    /// Family names.
    pub families: &'static [&'static str],
    /// Given names of women and girls.
    pub female: &'static [&'static str],
    /// Given names of men and boys.
    pub male: &'static [&'static str],
    /// OMB race: code and display of CDC Race and Ethnicity, `""` when not stated.
    pub race: (&'static str, &'static str),
    /// A detailed CDC race code, or `""`.
    pub race_detail: (&'static str, &'static str),
    /// Hispanic or Latino.
    pub hispanic: bool,
    /// Language beside English: BCP-47 code and display.
    pub language: (&'static str, &'static str),
    /// Percent of people older than 30 who prefer that language.
    pub prefers_language: u32,
}

/// Given names in English by year of birth: before 1950, before 1980, later.
#[rustfmt::skip]
pub const ENGLISH_FEMALE: [&[&str]; 3] = [
    &[
        "Dorothy", "Helen", "Margaret", "Ruth", "Betty", "Barbara", "Shirley", "Joan", "Marilyn",
        "Carol", "Judith", "Joyce", "Eleanor", "Lois", "Phyllis", "Frances", "Doris", "Beverly",
    ],
    &[
        "Linda", "Susan", "Karen", "Deborah", "Donna", "Nancy", "Kathleen", "Lisa", "Kimberly",
        "Michelle", "Jennifer", "Amy", "Angela", "Heather", "Julie", "Laura", "Theresa", "Wendy",
        "Denise", "Cynthia", "Teresa", "Diane", "Rebecca", "Tracy", "Colleen", "Allison",
    ],
    &[
        "Emily", "Jessica", "Ashley", "Sarah", "Megan", "Rachel", "Hannah", "Olivia", "Emma",
        "Abigail", "Madison", "Grace", "Chloe", "Ella", "Ava", "Charlotte", "Harper", "Nora",
        "Lucy", "Hazel", "Ivy", "Clara", "Alice", "Violet", "Piper", "Quinn", "Rowan", "Maeve",
    ],
];

/// Given names in English by year of birth: before 1950, before 1980, later.
#[rustfmt::skip]
pub const ENGLISH_MALE: [&[&str]; 3] = [
    &[
        "Robert", "Richard", "Donald", "Harold", "Raymond", "Walter", "Ralph", "Eugene", "Howard",
        "Gerald", "Norman", "Stanley", "Leonard", "Earl", "Roy", "Frederick", "Warren", "Carl",
    ],
    &[
        "James", "John", "Michael", "David", "William", "Mark", "Steven", "Thomas", "Kevin",
        "Brian", "Jeffrey", "Timothy", "Scott", "Gregory", "Kenneth", "Paul", "Douglas", "Keith",
        "Todd", "Craig", "Peter", "Stephen", "Patrick", "Dennis", "Eric", "Glenn",
    ],
    &[
        "Christopher", "Matthew", "Joshua", "Andrew", "Daniel", "Ryan", "Tyler", "Jacob", "Ethan",
        "Noah", "Liam", "Mason", "Logan", "Benjamin", "Owen", "Henry", "Jack", "Caleb", "Wyatt",
        "Theodore", "Oliver", "Elijah", "Miles", "Leo", "Finn", "Asher", "Jasper", "Everett",
    ],
];

#[rustfmt::skip]
const ENGLISH_FAMILIES: &[&str] = &[
    "Adams", "Allen", "Bailey", "Baker", "Barnes", "Bennett", "Brooks", "Burke", "Butler",
    "Campbell", "Carter", "Clark", "Collins", "Cooper", "Cox", "Davies", "Edwards", "Evans",
    "Fisher", "Foster", "Gibson", "Graham", "Griffin", "Hall", "Harrington", "Hayes", "Hughes",
    "Hunt", "Kelley", "Kennedy", "Lewis", "Marsh", "McAllister", "McCarthy", "Miller", "Mitchell",
    "Moore", "Morgan", "Murphy", "Nelson", "O'Brien", "O'Connor", "Palmer", "Parker", "Pearson",
    "Perkins", "Powell", "Reed", "Reynolds", "Roberts", "Russell", "Sawyer", "Shaw", "Sheridan",
    "Stone", "Sullivan", "Thatcher", "Thompson", "Turner", "Walker", "Walsh", "Ward", "Webster",
    "Whitaker", "Wilson", "Wood", "Wright", "Young",
];

const WHITE: (&str, &str) = ("2106-3", "White");
const BLACK: (&str, &str) = ("2054-5", "Black or African American");
const ASIAN: (&str, &str) = ("2028-9", "Asian");
const NONE: (&str, &str) = ("", "");
const ENGLISH: (&str, &str) = ("en", "English");
const SPANISH: (&str, &str) = ("es", "Spanish");

/// All origins; the first uses the English given names above by year of birth.
#[rustfmt::skip]
pub const ORIGINS: &[Origin] = &[
    Origin {
        weight: 34,
        families: ENGLISH_FAMILIES,
        female: ENGLISH_FEMALE[2],
        male: ENGLISH_MALE[2],
        race: WHITE,
        race_detail: NONE,
        hispanic: false,
        language: ENGLISH,
        prefers_language: 100,
    },
    Origin {
        weight: 11,
        families: &[
            "Anderson", "Bauer", "Becker", "Bianchi", "Caruso", "De Luca", "Dubois", "Esposito",
            "Fischer", "Gallo", "Hoffmann", "Jansen", "Kowalski", "Lachance", "Larsen", "Lefebvre",
            "Lindqvist", "Marchetti", "Nowak", "Novotny", "Papadopoulos", "Pelletier", "Petrov",
            "Rossi", "Schneider", "Silvestri", "Soderberg", "Van der Berg", "Wagner", "Zielinski",
        ],
        female: &[
            "Anna", "Bridget", "Caterina", "Claire", "Elena", "Elise", "Francesca", "Gabrielle",
            "Greta", "Ingrid", "Irena", "Julia", "Katarzyna", "Lena", "Lucia", "Magdalena",
            "Monika", "Natalia", "Sofia", "Stella", "Zoe",
        ],
        male: &[
            "Adam", "Alexander", "Anthony", "Anton", "Dominic", "Emil", "Eric", "Francis", "Frank",
            "Gunnar", "Joseph", "Karl", "Leon", "Luca", "Marco", "Max", "Nicholas", "Pavel",
            "Stefan", "Tomasz", "Victor", "Vincent",
        ],
        race: WHITE,
        race_detail: ("2108-9", "European"),
        hispanic: false,
        language: ENGLISH,
        prefers_language: 100,
    },
    Origin {
        weight: 17,
        families: &[
            "Alvarado", "Alvarez", "Aguilar", "Castillo", "Castro", "Chavez", "Cruz", "Delgado",
            "Diaz", "Dominguez", "Escobar", "Espinoza", "Fernandez", "Flores", "Fuentes", "Garcia",
            "Gomez", "Gonzalez", "Gutierrez", "Hernandez", "Herrera", "Jimenez", "Lopez",
            "Maldonado", "Martinez", "Medina", "Mendoza", "Morales", "Moreno", "Muñoz", "Nuñez",
            "Ortiz", "Peña", "Perez", "Quiñones", "Ramirez", "Reyes", "Rios", "Rivera", "Rodriguez",
            "Romero", "Ruiz", "Salazar", "Sanchez", "Santiago", "Soto", "Torres", "Vargas",
            "Vasquez", "Velez",
        ],
        female: &[
            "Adriana", "Alejandra", "Ana", "Beatriz", "Camila", "Carmen", "Catalina", "Cecilia",
            "Daniela", "Elena", "Esperanza", "Gabriela", "Guadalupe", "Isabel", "Itzel", "Jimena",
            "Josefina", "Juana", "Leticia", "Lourdes", "Lucía", "Luz", "Maria", "Mariana", "Marisol",
            "Paola", "Rosa", "Silvia", "Sofía", "Valentina", "Xiomara", "Yolanda",
        ],
        male: &[
            "Alejandro", "Andrés", "Antonio", "Carlos", "Cesar", "Diego", "Eduardo", "Emiliano",
            "Enrique", "Esteban", "Felipe", "Fernando", "Francisco", "Gerardo", "Guillermo",
            "Hector", "Ignacio", "Javier", "Jesús", "Jorge", "Jose", "Juan", "Luis", "Manuel",
            "Marcos", "Mateo", "Miguel", "Pablo", "Rafael", "Ramón", "Raúl", "Santiago",
        ],
        race: ("2131-1", "Other Race"),
        race_detail: NONE,
        hispanic: true,
        language: SPANISH,
        prefers_language: 55,
    },
    Origin {
        weight: 12,
        families: &[
            "Banks", "Booker", "Boykin", "Broadnax", "Coleman", "Dixon", "Fields", "Franklin",
            "Freeman", "Gaines", "Glover", "Grant", "Hairston", "Harris", "Henderson", "Holloway",
            "Jackson", "Jefferson", "Jenkins", "Johnson", "Jones", "Joseph", "Lewis", "Mack",
            "McCoy", "Mosley", "Robinson", "Simmons", "Singletary", "Smalls", "Stokes", "Taylor",
            "Tillman", "Washington", "Watkins", "Whitfield", "Wiggins", "Williams",
        ],
        female: &[
            "Aaliyah", "Alicia", "Bernice", "Brianna", "Camille", "Danielle", "Destiny", "Ebony",
            "Ernestine", "Gloria", "Imani", "Jada", "Jasmine", "Keisha", "Kiara", "Latoya",
            "Loretta", "Mariah", "Monique", "Naomi", "Nia", "Octavia", "Renee", "Simone", "Tamika",
            "Tanya", "Vanessa", "Yvonne", "Zora",
        ],
        male: &[
            "Andre", "Antoine", "Aaron", "Calvin", "Cedric", "Clarence", "Curtis", "Darius",
            "Darnell", "DeAndre", "Derrick", "Elijah", "Isaiah", "Jamal", "Jerome", "Jordan",
            "Lamar", "Langston", "Malik", "Marcus", "Maurice", "Quincy", "Reginald", "Terrence",
            "Trevon", "Tyrone", "Willie", "Xavier",
        ],
        race: BLACK,
        race_detail: NONE,
        hispanic: false,
        language: ENGLISH,
        prefers_language: 100,
    },
    Origin {
        weight: 3,
        families: &[
            "Alexis", "Baptiste", "Belizaire", "Charles", "Desrosiers", "Dorvil", "Etienne",
            "Fleurant", "Germain", "Jean-Louis", "Jean-Pierre", "Joachim", "Lafontant", "Louis",
            "Michel", "Noel", "Pierre", "Pierre-Louis", "Saint-Fleur", "Toussaint",
        ],
        female: &[
            "Carline", "Darlène", "Esther", "Fabienne", "Guerda", "Islande", "Marie-Ange",
            "Mirlande", "Nadège", "Régine", "Roselène", "Rose-Marie", "Ruth", "Widline",
        ],
        male: &[
            "Emmanuel", "Evens", "Frantz", "Fritz", "Guy", "Jean-Claude", "Jocelyn", "Kervens",
            "Makenson", "Patrick", "Ronald", "Stevenson", "Wilner", "Yves",
        ],
        race: BLACK,
        race_detail: ("2071-9", "Haitian"),
        hispanic: false,
        language: ("ht", "Haitian Creole"),
        prefers_language: 50,
    },
    Origin {
        weight: 4,
        families: &[
            "Almeida", "Amaral", "Andrade", "Barbosa", "Barros", "Cabral", "Carvalho", "Correia",
            "Costa", "Da Silva", "Ferreira", "Gomes", "Lopes", "Medeiros", "Mendes", "Monteiro",
            "Oliveira", "Pacheco", "Pereira", "Ribeiro", "Rodrigues", "Sousa", "Tavares", "Teixeira",
        ],
        female: &[
            "Amélia", "Beatriz", "Carla", "Conceição", "Fernanda", "Inês", "Joana", "Larissa",
            "Luana", "Maria de Fátima", "Natália", "Patrícia", "Sandra", "Teresa", "Vitória",
        ],
        male: &[
            "Antônio", "António", "Bruno", "Caio", "Carlos", "Duarte", "Fábio", "Gustavo", "João",
            "José", "Leandro", "Manuel", "Nuno", "Paulo", "Rui", "Thiago",
        ],
        race: WHITE,
        race_detail: NONE,
        hispanic: false,
        language: ("pt", "Portuguese"),
        prefers_language: 45,
    },
    Origin {
        weight: 4,
        families: &[
            "Chan", "Chang", "Chen", "Cheng", "Deng", "Guo", "Ho", "Hu", "Huang", "Lee", "Li",
            "Liang", "Lin", "Liu", "Luo", "Ma", "Sun", "Tang", "Wang", "Wong", "Wu", "Xu", "Yang",
            "Zhang", "Zhao", "Zhou",
        ],
        female: &[
            "Ai-Ling", "Fang", "Grace", "Hui", "Jia", "Jing", "Lan", "Li", "Mei", "Mei-Ling",
            "Min", "Ning", "Qing", "Shu-Fen", "Wei", "Xiu", "Yan", "Ying", "Yu", "Zhen",
        ],
        male: &[
            "Bo", "Chao", "Cheng", "Da-Wei", "Feng", "Gang", "Hao", "Jian", "Jun", "Kai", "Kevin",
            "Lei", "Ming", "Peng", "Qiang", "Tao", "Wei", "Xiang", "Yi", "Zhi-Wei",
        ],
        race: ASIAN,
        race_detail: ("2034-7", "Chinese"),
        hispanic: false,
        language: ("zh", "Chinese"),
        prefers_language: 45,
    },
    Origin {
        weight: 3,
        families: &[
            "Bui", "Dang", "Dinh", "Do", "Duong", "Hoang", "Huynh", "Le", "Ly", "Mai", "Ngo",
            "Nguyen", "Pham", "Phan", "Tran", "Truong", "Vo", "Vu",
        ],
        female: &[
            "Bich", "Diem", "Hang", "Hoa", "Hong", "Huong", "Kim", "Lan", "Linh", "Mai", "My",
            "Nga", "Ngoc", "Phuong", "Thao", "Thu", "Trang", "Tuyet", "Yen",
        ],
        male: &[
            "An", "Anh", "Bao", "Binh", "Cuong", "Duc", "Dung", "Hai", "Hieu", "Hung", "Khanh",
            "Long", "Minh", "Nam", "Phuc", "Quan", "Son", "Thanh", "Tuan", "Viet",
        ],
        race: ASIAN,
        race_detail: ("2047-9", "Vietnamese"),
        hispanic: false,
        language: ("vi", "Vietnamese"),
        prefers_language: 55,
    },
    Origin {
        weight: 2,
        families: &[
            "Ahn", "Bae", "Cho", "Choi", "Chung", "Han", "Hwang", "Jang", "Jung", "Kang", "Kim",
            "Kwon", "Lim", "Oh", "Park", "Ryu", "Seo", "Shin", "Song", "Yoon",
        ],
        female: &[
            "Eun-ji", "Grace", "Hana", "Hye-jin", "Ji-woo", "Ji-yeon", "Min-ji", "Seo-yeon",
            "Soo-jin", "So-young", "Sun-hee", "Yoo-na", "Young-ja",
        ],
        male: &[
            "Daniel", "Do-yun", "Dong-hyun", "Hyun-woo", "Jae-sung", "Ji-hoon", "Jin", "Joon-ho",
            "Min-jun", "Sang-woo", "Seung-ho", "Sung-min", "Young-ho",
        ],
        race: ASIAN,
        race_detail: ("2040-4", "Korean"),
        hispanic: false,
        language: ("ko", "Korean"),
        prefers_language: 45,
    },
    Origin {
        weight: 2,
        families: &[
            "Abad", "Aquino", "Bautista", "Cabrera", "De Guzman", "De la Cruz", "Dizon",
            "Evangelista", "Lacson", "Macaraeg", "Manalo", "Mercado", "Ocampo", "Pangilinan",
            "Panganiban", "Salonga", "Santos", "Tolentino", "Villanueva",
        ],
        female: &[
            "Analyn", "Angelica", "Corazon", "Cristina", "Divina", "Estrella", "Imelda", "Jocelyn",
            "Liezel", "Ligaya", "Maricel", "Marivic", "Remedios", "Rowena", "Teresita",
        ],
        male: &[
            "Arnel", "Benigno", "Danilo", "Efren", "Ernesto", "Ferdinand", "Jericho", "Joel",
            "Jomar", "Melchor", "Noel", "Renato", "Rodel", "Rommel", "Wilfredo",
        ],
        race: ASIAN,
        race_detail: ("2036-2", "Filipino"),
        hispanic: false,
        language: ("tl", "Tagalog"),
        prefers_language: 20,
    },
    Origin {
        weight: 5,
        families: &[
            "Agarwal", "Banerjee", "Bhatt", "Chatterjee", "Chaudhary", "Das", "Desai", "Gupta",
            "Iyer", "Jain", "Joshi", "Kapoor", "Khan", "Krishnan", "Kumar", "Malhotra", "Mehta",
            "Menon", "Mukherjee", "Nair", "Patel", "Rao", "Reddy", "Shah", "Sharma", "Singh",
            "Srinivasan", "Thakur", "Trivedi", "Verma",
        ],
        female: &[
            "Aarti", "Aditi", "Ananya", "Anjali", "Deepa", "Divya", "Gayatri", "Indira", "Kavita",
            "Lakshmi", "Leela", "Meera", "Neha", "Nisha", "Pooja", "Priya", "Radha", "Rekha",
            "Shreya", "Sunita", "Usha", "Vidya",
        ],
        male: &[
            "Aditya", "Ajay", "Amit", "Anil", "Arjun", "Ashok", "Deepak", "Dev", "Ganesh", "Karan",
            "Krishna", "Manish", "Mohan", "Nikhil", "Rahul", "Raj", "Rajesh", "Rohan", "Sanjay",
            "Suresh", "Vikram", "Vijay",
        ],
        race: ASIAN,
        race_detail: ("2029-7", "Asian Indian"),
        hispanic: false,
        language: ("hi", "Hindi"),
        prefers_language: 20,
    },
    Origin {
        weight: 3,
        families: &[
            "Abbas", "Abdallah", "Al-Hashimi", "Al-Masri", "Aziz", "Darwish", "Farah", "Ghanem",
            "Haddad", "Hamdan", "Hosseini", "Ibrahim", "Kazemi", "Khalil", "Khoury", "Mansour",
            "Mousavi", "Nasser", "Nazari", "Rahimi", "Saleh", "Shaheen", "Tehrani", "Yousef",
        ],
        female: &[
            "Aisha", "Amal", "Amina", "Dalia", "Fatima", "Hala", "Hanan", "Huda", "Layla", "Lina",
            "Maryam", "Mona", "Nadia", "Noor", "Parisa", "Rania", "Salma", "Samira", "Shirin",
            "Yasmin", "Zahra",
        ],
        male: &[
            "Ahmad", "Ali", "Amir", "Bilal", "Farid", "Faris", "Hamid", "Hassan", "Hussein",
            "Jamal", "Karim", "Khalid", "Mahmoud", "Mohammed", "Mustafa", "Nabil", "Omar", "Reza",
            "Samir", "Tariq", "Youssef",
        ],
        race: WHITE,
        race_detail: ("2118-8", "Middle Eastern or North African"),
        hispanic: false,
        language: ("ar", "Arabic"),
        prefers_language: 40,
    },
    Origin {
        weight: 2,
        families: &[
            "Abiodun", "Achebe", "Adeyemi", "Afolabi", "Asante", "Boateng", "Chukwu", "Diallo",
            "Eze", "Kamara", "Kebede", "Mbeki", "Mensah", "Mwangi", "Ndiaye", "Nwosu", "Obi",
            "Okafor", "Okonkwo", "Osei", "Owusu", "Tesfaye", "Wanjiru",
        ],
        female: &[
            "Abena", "Adaeze", "Akosua", "Amara", "Ama", "Chiamaka", "Chidinma", "Efua", "Fatou",
            "Folasade", "Grace", "Ifeoma", "Makeda", "Ngozi", "Selam", "Wangari", "Yaa", "Zainab",
        ],
        male: &[
            "Abebe", "Ade", "Babajide", "Chidi", "Chukwuemeka", "Emeka", "Femi", "Ibrahima",
            "Kofi", "Kwabena", "Kwame", "Mamadou", "Obinna", "Olumide", "Samuel", "Sekou", "Tunde",
        ],
        race: BLACK,
        race_detail: ("2060-2", "African"),
        hispanic: false,
        language: ENGLISH,
        prefers_language: 100,
    },
    Origin {
        weight: 2,
        families: &[
            "Belov", "Bondarenko", "Ivanov", "Kovalenko", "Kuznetsov", "Lebedev", "Melnyk",
            "Morozov", "Orlov", "Popov", "Shevchenko", "Smirnov", "Sokolov", "Tkachenko", "Volkov",
        ],
        female: &[
            "Alla", "Anastasia", "Galina", "Irina", "Ksenia", "Larisa", "Lyudmila", "Marina",
            "Nadezhda", "Oksana", "Olga", "Svetlana", "Tatiana", "Valentina", "Vera", "Yulia",
        ],
        male: &[
            "Alexei", "Andrei", "Boris", "Dmitri", "Evgeny", "Igor", "Ivan", "Maxim", "Mikhail",
            "Nikolai", "Oleg", "Pavel", "Sergei", "Vadim", "Vladimir", "Yuri",
        ],
        race: WHITE,
        race_detail: ("2108-9", "European"),
        hispanic: false,
        language: ("ru", "Russian"),
        prefers_language: 50,
    },
    Origin {
        weight: 1,
        families: &[
            "Attean", "Begay", "Bearheart", "Littlefield", "Mitchell", "Nez", "Peters", "Tsosie",
            "Whitehorse", "Yazzie",
        ],
        female: &["Awinita", "Dena", "Kaya", "Lena", "Leotie", "Mary", "Sheila", "Winona"],
        male: &["Ahiga", "Alvin", "Elan", "Harrison", "Leland", "Nodin", "Raymond", "Wesley"],
        race: ("1002-5", "American Indian or Alaska Native"),
        race_detail: NONE,
        hispanic: false,
        language: ENGLISH,
        prefers_language: 100,
    },
    Origin {
        weight: 1,
        families: &[
            "Fonoti", "Iosefa", "Kahale", "Kalani", "Leota", "Mahelona", "Palakiko", "Tuiasosopo",
        ],
        female: &["Alana", "Keala", "Leilani", "Malia", "Moana", "Noelani", "Sina", "Tia"],
        male: &["Ikaika", "Kai", "Kekoa", "Keoni", "Manu", "Sefo", "Tavita", "Tui"],
        race: ("2076-8", "Native Hawaiian or Other Pacific Islander"),
        race_detail: NONE,
        hispanic: false,
        language: ENGLISH,
        prefers_language: 100,
    },
    Origin {
        weight: 1,
        families: &["Fujimoto", "Hayashi", "Ishikawa", "Kimura", "Nakamura", "Sato", "Suzuki", "Tanaka", "Watanabe"],
        female: &["Akiko", "Emi", "Hanako", "Keiko", "Midori", "Naoko", "Sakura", "Yuki"],
        male: &["Daichi", "Haruto", "Hiroshi", "Kenji", "Makoto", "Ren", "Takashi", "Yuto"],
        race: ASIAN,
        race_detail: ("2039-6", "Japanese"),
        hispanic: false,
        language: ("ja", "Japanese"),
        prefers_language: 40,
    },
];

/// Middle names in English use.
#[rustfmt::skip]
pub const MIDDLE: &[&str] = &[
    "Alan", "Ann", "Anne", "Elizabeth", "Grace", "James", "Jane", "Jean", "John", "Joseph", "Lee",
    "Louise", "Lynn", "Mae", "Marie", "Michael", "Paul", "Rae", "Ray", "Rose", "Thomas", "William",
];
