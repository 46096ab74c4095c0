"""A reply as the lexicon reads it: width, case, blanks, punctuation and traditional characters made alike. Pure."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 1_000
"""Characters that are read; six concatenated messages hold fewer."""

_APOSTROPHES: Final = dict.fromkeys(map(ord, "'‘’`´ʼ′"), "")
_TRADITIONAL: Final = str.maketrans(
    "還錢經發請電話給號碼錯認識訂閱絕煩騷擾貸車銀過幾緩緊沒這個們謝誰換聯繫係轉帳賬額對爭議訴詐騙業難時間後週"
    "點塊寬債務現實買會為麼嗎來無說讓別總應該報警壓養腦殺媽雜種瘋傷術療災產離獄簡訊機協商調減餘單據證萬親兒媳婦亂"
    "從書達連斷儘盡稱確結",
    "还钱经发请电话给号码错认识订阅绝烦骚扰贷车银过几缓紧没这个们谢谁换联系系转账账额对争议诉诈骗业难时间后周"
    "点块宽债务现实买会为么吗来无说让别总应该报警压养脑杀妈杂种疯伤术疗灾产离狱简讯机协商调减余单据证万亲儿媳妇乱"
    "从书达连断尽尽称确结",
)
"""What borrowers write of these subjects; not a dictionary."""
_CHINESE: Final = "㐀-䶿一-鿿豈-﫿"
_BESIDE_CHINESE: Final = re.compile(rf"(?<=[{_CHINESE}]) | (?=[{_CHINESE}])")
_STOPS: Final = re.compile(r"[ ,]*,[ ,]*")
_BLANKS: Final = re.compile(r" +")


def plain(text: str) -> str:
    """Letters and digits alone, in half width, small letters and simplified characters.

    Punctuation and pictures become one comma, blanks one blank, and none stands beside a Chinese character.
    Apostrophes vanish: `haven't` is `havent`. At most `LONGEST` characters are read.
    """
    folded = unicodedata.normalize("NFKC", text[:LONGEST].translate(_APOSTROPHES)).casefold()
    folded = unicodedata.normalize("NFKC", folded).translate(_APOSTROPHES)
    seen = "".join(map(_seen, folded[:LONGEST]))  # one character may unfold into eighteen
    spaced = _BLANKS.sub(" ", _STOPS.sub(",", seen.translate(_TRADITIONAL)))
    return _BESIDE_CHINESE.sub("", spaced).strip(" ,")


def compact(text: str) -> str:
    """`plain` without blanks and commas, for replies that are one word: `T 退订。` is `t退订`."""
    return text.replace(" ", "").replace(",", "")


def _seen(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LN":
        return character
    if character.isspace():
        return " "
    return "" if category in {"Cf", "Mn", "Me"} else ","
