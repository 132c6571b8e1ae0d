"""Every table of the studio, imported once, for migrations and for tests that compare them."""

from studio.accounts import models as accounts
from studio.authoring import models as authoring
from studio.chat import models as chat
from studio.editing import models as editing
from studio.kit.orm import Base
from studio.market import models as market
from studio.media import models as media
from studio.memory import models as memory
from studio.operations import models as operations
from studio.voices import models as voices
from studio.work import models as work

metadata = Base.metadata
modules = (accounts, work, editing, media, authoring, voices, memory, market, chat, operations)
