"""What people do with payments: retry, release, resolve, match, reverse, reissue, resend."""

from __future__ import annotations
