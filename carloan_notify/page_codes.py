"""What is said of a link and on the page behind it: stable codes and the page's words, in English and Chinese."""

from carloan_notify.codes import Code


class LinkFault(Code):
    """Why a link is refused."""

    MALFORMED = (
        "link_malformed",
        "It is no token: a token has 16 letters, digits, - or _.",
        "不是有效的令牌：令牌由 16 个字母、数字、- 或 _ 组成。",
    )
    FORGED = (
        "link_forged",
        "No loan and number of the tables gives it: it is forged, or the loan or the number is gone from the tables.",
        "数据表中没有任何贷款与号码对应此令牌：令牌系伪造，或该贷款、号码已不在数据表中。",
    )
    EXPIRED = ("link_expired", "Its last valid day is over.", "已过最后有效日。")
