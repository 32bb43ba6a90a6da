"""The two fields of a trust store, which accounts and profiles have alike: the store, and the password that opens it.

Only a PKCS#12 store has a password; its field applies once the text of the store is such a one's.
"""

from __future__ import annotations

from ...config.truststore import ARMOUR
from .forms import HOLDS, Field, Sort

STORE = (
    "Certificates of the authorities to trust instead of the system's: upload a PEM or PKCS#12 file (`.p12`, `.pfx`), or "
    "paste PEM text."
)
PASSWORD = "What opens this PKCS#12 store. Kept encrypted; never shown again."
IS_PKCS12 = HOLDS + ARMOUR[0].strip("-")

When = tuple[tuple[str, tuple[str, ...]], ...]


def truststore(name: str, when: When = ()) -> tuple[Field, Field]:
    """`name`: the setting's dotted path. `when`: where a trust store applies at all."""
    locked = (name, (IS_PKCS12,))
    return (
        Field(name, "Truststore", STORE, Sort.STORE, when=when),
        Field(f"{name}_password", "Truststore password", PASSWORD, Sort.SECRET, when=(*when, locked)),
    )
