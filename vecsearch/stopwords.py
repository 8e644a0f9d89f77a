def stopwords(n: str) -> str:
    return ""
