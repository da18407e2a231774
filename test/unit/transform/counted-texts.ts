/** Texts of many kinds, each with its number of tokens in o200k_base (counted with gpt-tokenizer, which the tests do not need). */
export const COUNTED: readonly { readonly kind: string; readonly tokens: number; readonly text: string }[] = [
  {
    kind: 'English',
    tokens: 123,
    text: 'It was late in the afternoon when the ferry finally pulled away from the pier, and most of the passengers had already gone below to escape the wind. Margaret stayed on deck, her coat buttoned up to the chin, watching the town shrink until the church tower was no bigger than a chess piece. She had promised her brother that she would write as soon as she arrived, but she already knew that the first letter would say nothing of importance; the second might, and the third almost certainly would. Behind her two men were arguing about the price of wool, and somewhere a child was laughing at the gulls.',
  },
  {
    kind: 'German',
    tokens: 117,
    text: 'Am späten Nachmittag legte die Fähre endlich ab, und die meisten Fahrgäste waren schon unter Deck gegangen, um dem Wind zu entkommen. Margarete blieb oben stehen, den Mantel bis zum Kinn zugeknöpft, und sah zu, wie die Stadt immer kleiner wurde, bis der Kirchturm nicht größer war als eine Schachfigur. Sie hatte ihrem Bruder versprochen, gleich nach der Ankunft zu schreiben, aber sie wusste schon jetzt, dass im ersten Brief nichts Wichtiges stehen würde; im zweiten vielleicht, und im dritten ganz bestimmt.',
  },
  {
    kind: 'French',
    tokens: 117,
    text: "Il était tard dans l'après-midi lorsque le ferry quitta enfin le quai, et la plupart des passagers étaient déjà descendus pour échapper au vent. Marguerite resta sur le pont, le manteau boutonné jusqu'au menton, à regarder la ville rapetisser jusqu'à ce que le clocher ne soit pas plus grand qu'une pièce d'échecs. Elle avait promis à son frère d'écrire dès son arrivée, mais elle savait déjà que la première lettre ne dirait rien d'important ; la deuxième peut-être, et la troisième presque certainement.",
  },
  {
    kind: 'Russian',
    tokens: 125,
    text: 'Был уже поздний вечер, когда паром наконец отошёл от причала, и большинство пассажиров спустились вниз, чтобы укрыться от ветра. Маргарита осталась на палубе, застегнув пальто до самого подбородка, и смотрела, как город становится всё меньше, пока колокольня не стала размером с шахматную фигуру. Она обещала брату написать сразу же после приезда, но уже знала, что в первом письме не будет ничего важного; во втором, может быть, а в третьем — наверняка.',
  },
  {
    kind: 'Chinese',
    tokens: 145,
    text: '渡轮终于在傍晚时分离开码头，大多数乘客已经下到船舱里躲避寒风。玛格丽特留在甲板上，大衣一直扣到下巴，望着小镇渐渐变小，直到教堂的钟楼看上去还没有一枚棋子大。她答应过哥哥一到就写信，但她心里清楚，第一封信里不会有什么要紧的话；第二封也许会有，第三封则几乎一定会有。在她身后，两个男人正在争论羊毛的价格，不知什么地方有个孩子在对着海鸥大笑。',
  },
  {
    kind: 'Japanese',
    tokens: 179,
    text: 'フェリーがようやく桟橋を離れたのは夕方遅くのことで、乗客のほとんどは風を避けてすでに船室へ降りていた。マーガレットはコートの襟を顎まで留めたまま甲板に残り、教会の塔がチェスの駒ほどの大きさになるまで、町が小さくなっていくのを眺めていた。着いたらすぐに手紙を書くと兄に約束していたが、最初の手紙には大したことは書かないだろうと、彼女にはもうわかっていた。二通目には書くかもしれないし、三通目にはほとんど確実に書くだろう。',
  },
  {
    kind: 'Korean',
    tokens: 118,
    text: '오후 늦게야 여객선이 마침내 부두를 떠났고, 승객들은 대부분 바람을 피해 이미 아래로 내려가 있었다. 마거릿은 외투 단추를 턱까지 채운 채 갑판에 남아, 교회 탑이 체스 말만 해질 때까지 마을이 작아지는 모습을 바라보았다. 그녀는 도착하자마자 편지를 쓰겠다고 오빠에게 약속했지만, 첫 번째 편지에는 중요한 이야기가 없으리라는 것을 이미 알고 있었다.',
  },
  {
    kind: 'Arabic',
    tokens: 93,
    text: 'كان الوقت متأخرًا بعد الظهر عندما غادرت العبّارة الرصيف أخيرًا، وكان معظم الركاب قد نزلوا بالفعل هربًا من الريح. بقيت مارغريت على السطح ومعطفها مزرّر حتى ذقنها، تراقب المدينة وهي تصغر حتى صار برج الكنيسة بحجم قطعة شطرنج. كانت قد وعدت أخاها بأن تكتب إليه فور وصولها.',
  },
  {
    kind: 'Hindi',
    tokens: 84,
    text: 'दोपहर ढल चुकी थी जब नौका आखिरकार घाट से रवाना हुई, और अधिकांश यात्री हवा से बचने के लिए पहले ही नीचे चले गए थे। मार्गरेट अपना कोट ठोड़ी तक बंद किए डेक पर खड़ी रही और शहर को छोटा होते देखती रही, जब तक गिरजाघर की मीनार शतरंज के मोहरे जितनी नहीं रह गई।',
  },
  {
    kind: 'TypeScript',
    tokens: 135,
    text: "export function roundToNano(picoUsd: number): number {\n  const rest = picoUsd % 1000;\n  const nanoUsd = (picoUsd - rest) / 1000;\n  // Half to even: sums of many requests do not drift.\n  return rest > 500 || (rest === 500 && nanoUsd % 2 === 1) ? nanoUsd + 1 : nanoUsd;\n}\n\nfor (const [name, value] of Object.entries(headers)) {\n  if (value === undefined || !name.startsWith('x-gateway-')) continue;\n  forwarded.set(name.toLowerCase(), String(value).trim());\n}\n",
  },
  {
    kind: 'Python',
    tokens: 113,
    text: 'def moving_average(values, window=7):\n    """Average of the last `window` values, for each of them."""\n    total, averages = 0.0, []\n    for index, value in enumerate(values):\n        total += value\n        if index >= window:\n            total -= values[index - window]\n        averages.append(total / min(index + 1, window))\n    return averages\n\n\nif __name__ == "__main__":\n    print(moving_average([3, 5, 8, 13, 21], window=3))\n',
  },
  {
    kind: 'JSON',
    tokens: 90,
    text: '{"order_id":"A-10293","customer":{"name":"Jane Doe","email":"jane@example.com","vip":false},"items":[{"sku":"KB-87-ISO","quantity":2,"unit_price":79.9},{"sku":"MS-01","quantity":1,"unit_price":24.5}],"placed_at":"2026-11-25T10:42:07Z","total":184.3}',
  },
  {
    kind: 'SQL',
    tokens: 60,
    text: "SELECT c.customer_id, c.last_name, SUM(o.total_amount) AS revenue FROM customers c JOIN orders o ON o.customer_id = c.customer_id WHERE o.created_at >= '2026-01-01' GROUP BY c.customer_id, c.last_name ORDER BY revenue DESC LIMIT 50;",
  },
  {
    kind: 'Log',
    tokens: 120,
    text: '2026-11-25T10:42:07.118Z INFO [worker-3] request_id=req_6b52593b-96e5-47cd-99bb-5616436a8666 status=529 duration_ms=417\n2026-11-25T10:42:07.204Z WARN [worker-1] request_id=req_0d1f7c52-1a7e-4b0e-8f43-2c9a5be1d310 status=200 duration_ms=1893\n',
  },
];
