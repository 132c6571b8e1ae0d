"""Why money is not moved: purchases, downloads, postings, payouts and statements."""

from studio.kit.errors import ConflictError, ForbiddenError


class OtherPostingError(ConflictError):
    """A key stands for one posting, for ever."""

    def __init__(self) -> None:
        super().__init__(
            "The ledger holds something else under this key. Nothing was posted; tell whoever runs the studio."
        )


class NotForSaleError(ConflictError):
    """What is off the market, archived or sold cannot be bought."""

    def __init__(self) -> None:
        super().__init__("This character is not for sale (any more). Nothing was charged.")


class OwnPurchaseError(ForbiddenError):
    """Nobody buys from themselves."""

    def __init__(self) -> None:
        super().__init__("This is your own listing: you have the character already.")


class AlreadyBoughtError(ConflictError):
    """A person buys a character once, with all its versions."""

    def __init__(self) -> None:
        super().__init__("You have this character already. Find it among your purchases; nothing was charged.")


class ReservedError(ConflictError):
    """An exclusive is kept for who is paying for it."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody is paying for this exclusive just now. If they don't, it is free again within half an hour."
        )


class CheckoutOverError(ConflictError):
    """There is nothing to pay, or no time left."""

    def __init__(self) -> None:
        super().__init__("This purchase does not wait for a payment any more. Look at its state, or buy again.")


class NotRefundableError(ConflictError):
    """Only what is paid, and not disputed, can be given back."""

    def __init__(self) -> None:
        super().__init__("Only a purchase that is paid, and not disputed at the bank, can be refunded.")


class OtherProviderError(ConflictError):
    """Money goes back, or out, through the provider that took it."""

    def __init__(self, provider: str) -> None:
        super().__init__(
            "This was paid through another payment provider (%(provider)s) than the studio uses now, and its settings are gone. "
            "Nothing was given back: set its key and its webhook secret again, then ask again.",
            provider=provider,
        )


class UnheardProviderError(ConflictError):
    """Nobody can check what a former provider tells without its settings; it tells it again later."""

    status = 503

    def __init__(self) -> None:
        super().__init__("The studio cannot check what this payment provider tells just now. Tell it again later.")


class OwnRefundError(ForbiddenError):
    """Nobody gives themselves money back."""

    def __init__(self) -> None:
        super().__init__("This is your own purchase: somebody else has to refund it.")


class NotBoughtError(ConflictError):
    """A download needs a licence."""

    status = 402

    def __init__(self) -> None:
        super().__init__(
            "You have no licence for this character yet. Buy it first, or pay for the purchase that waits."
        )


class WithdrawnError(ConflictError):
    """The licence ended, or the version is gone."""

    status = 410
    sentence = "This is no longer available: the licence ended when the money went back."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class TakenDownError(WithdrawnError):
    """What was taken down for a severe reason is handed out to nobody."""

    sentence = (
        "This version was taken down by two moderators for a severe reason, so nobody is given its file any more. Your purchase "
        "stays here as proof; write to whoever runs the studio, who can give you your money back."
    )


class TakenDownWithAnotherError(TakenDownError):
    """Where one version was taken down for a severe reason, no other is handed out that nobody has looked at since."""

    sentence = (
        "Another version of this character was taken down by two moderators for a severe reason, so nothing of it is given to "
        "anybody unless a moderator has approved it since. Your purchase stays here as proof; write to whoever runs the studio, "
        "who can give you your money back."
    )


class OnHoldError(WithdrawnError):
    """What is hidden is handed out to nobody until somebody has looked."""

    sentence = (
        "This version is on hold: moderators are looking at it again. Nothing is lost; come back in a few days, or write to whoever "
        "runs the studio."
    )


class LinkExpiredError(ConflictError):
    """A link lives for ten minutes."""

    status = 410

    def __init__(self) -> None:
        super().__init__(
            "This download link has expired. Open your purchase and ask for a new one; that costs nothing."
        )


class LinkUsedError(ConflictError):
    """A link is followed once."""

    status = 410

    def __init__(self) -> None:
        super().__init__(
            "This download link was used already. Open your purchase and ask for a new one; that costs nothing."
        )


class NothingToPayError(ConflictError):
    """There is no balance that reaches the minimum, or none that the provider holds enough for."""

    def __init__(
        self, message: str = "Nobody's available balance reaches the minimum just now. No payout was made."
    ) -> None:
        super().__init__(message)


class PayoutOverError(ConflictError):
    """What is paid or ended stays so."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing was changed: this payout is on its way, paid or over already. What failed or was called off is paid again with the next batch."
        )


class PeriodNotOverError(ConflictError):
    """A month is closed after its end."""

    def __init__(self) -> None:
        super().__init__("Only a month that is over, for at least an hour, can be closed.")


class StatementBrokenError(ConflictError):
    """What a statement's lines say is not what was closed."""

    def __init__(self) -> None:
        super().__init__(
            "This statement's lines do not give the hash that it was closed with. Staff were alarmed; no file was made."
        )
