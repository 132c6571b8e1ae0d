"""Words of young age, of sexual and of cruel content, as RE2 patterns in English and Chinese: what this machine knows of itself.

The screening of listings points a person to each; before a picture is made, young age beside sexual words is refused.
"""

YOUNG = (
    r"\b(?:1[0-7]|[1-9])[ -]?(?:years?[ -]old|years? of age|y[./]?o\b|yrs? old)",
    r"\bage[d]?\s*(?:[:=：]|is|of)?\s*[\"'(\[]?\s*(?:1[0-7]|[1-9])\b[^0-9.%]",
    r"\b(?:eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)[ -]years?[ -]old\b",
    r"(?:^|[^0-9])((?:1[0-7]|[1-9])\s*(?:周)?[岁歲])",
    r"年[龄齡]\s*[:：]?\s*((?:1[0-7]|[1-9]))(?:$|[^0-9])",
    r"(?:^|[^0-9一二三四五六七八九十百千两])((?:十[一二三四五六七]?|[一二三四五六七八九])(?:周)?[岁歲])",
    (
        r"\b(?:loli(?:s|ta|con)?|shota(?:s|con)?|under-?age(?:d)?|pre-?teen(?:s|ager)?|school ?girl|school ?boy"
        r"|child-?like body|child'?s body|toddler|kindergart(?:en|ner)|(?:elementary|primary|middle) school(?:er| student| girl| boy)"
        r"|high school(?:er| student| girl| boy))"
    ),
    r"萝莉|蘿莉|正太|未成年|幼女|幼童|幼齿|女童|男童|小学生|小學生|初中生|高中生|中学生|中學生|ロリ|ショタ|女子高生",
)
"""Somebody under age is told of, or suggested."""

SEXUAL = (
    (
        r"\b(?:nsfw|sex|sexual(?:ly)?|sexy|erotic|hentai|porn(?:ographic)?|nudes?|nudity|naked|orgasms?|fetish(?:es)?|lewd|smut"
        r"|aroused|horny|penis|vagina|masturbat(?:e|es|ing|ion)|seduc(?:e|es|ing|tive))\b"
    ),
    r"色情|性爱|性愛|做爱|做愛|裸体|裸體|情色|性欲|性慾|淫荡|淫蕩|淫乱|肉文|性奴|自慰|发情|發情|\br-?18|成人向|工口|本番",
)
"""This is, or points to, sexual content."""

CRUEL = (
    (
        r"\b(?:gore|torture[ds]?|torturing|mutilat(?:e|ed|ion)|dismember(?:ed|ment)?|rape[ds]?|raping)\b"
        r"|虐杀|虐殺|肢解|酷刑|强奸|強姦|血腥"
    ),
)
"""This is, or points to, cruelty."""

EXPLICIT = (
    (
        r"\b(?:nsfw|erotic|hentai|porn(?:ographic)?|nudes?|nudity|naked|orgasms?|lewd|smut|aroused|horny|penis|vagina"
        r"|masturbat(?:e|es|ing|ion)|undress(?:ed|ing)|topless|lingerie)\b"
    ),
    r"色情|性爱|性愛|做爱|做愛|裸体|裸體|全裸|半裸|情色|淫荡|淫蕩|淫乱|性奴|自慰|发情|發情|\br-?18|工口|本番|エロ",
)
"""What leaves no doubt: beside words of young age nobody has to ask what was meant. ("Age: 15, sex: female" is not here.)"""
