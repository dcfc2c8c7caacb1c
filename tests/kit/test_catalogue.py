"""The strength of the kit, measured: every seeded fault is caught by the rule that is named for it.

Each plugin of the catalogue is a correct one that does one thing wrong. The correct ones keep every
rule (`test_correct_plugins`), so what is caught is the fault.
"""

from __future__ import annotations

from types import ModuleType

import pytest

from mpm_core.testing import RULES, Case, RuleBroken
from tests.kit import faulty_messages as messages
from tests.kit import faulty_meters as meters
from tests.kit import faulty_payments as payments
from tests.kit.subjects import subject_of

CATALOGUE = {
    # amounts and serials
    meters.RoundsUp: "M-30",
    meters.CalculatesWithFloat: "M-30",
    meters.SellsMoneyNotEnergy: "M-30",
    meters.SaysMoreThanItSold: "M-30",
    meters.AddsToItsLastSale: "M-30",
    meters.SellsHalfSteps: "M-31",
    meters.AsksTheVendorAboutNothing: "M-31",
    meters.SellsEveryKind: "M-32",
    meters.LosesLeadingZeros: "M-33",
    meters.CutsCodes: "M-33",
    meters.OneKeyPerDevice: "M-34",
    meters.RemembersGrantsByAmount: "M-34",
    # what can go wrong on the wire
    meters.TakesUnreachableForNo: "M-01",
    meters.TakesSilenceForNotSent: "M-02",
    meters.WaitsForEver: "M-02",
    meters.AsksAgain: "M-03",
    meters.SaysItIsAGet: "M-04",
    meters.TakesTroubleForNo: "M-04",
    meters.IgnoresTheStatus: "M-05",
    meters.ForgetsHowLongToWait: "M-05",
    meters.TakesGarbageForNotSent: "M-06",
    meters.MakesUpATokenForPages: "M-07",
    meters.RefusesEveryClientError: "M-08",
    meters.TakesAnyCode: "M-09",
    meters.TakesNumbersForCodes: "M-09",
    meters.LogsInForEver: "M-13",
    meters.IgnoresTheOtherDevice: "M-14",
    meters.BelievesTheVendorsClock: "M-15",
    meters.CountsCallbacks: "M-16",
    meters.KeepsItsLock: "M-17",
    meters.FinishesTheLastOrder: "M-17",
    meters.DoesNotCount: "M-19",
    meters.DoubtsEveryNo: "M-20",
    meters.RefusesWithoutAWord: "M-20",
    meters.DoubtsEveryLogin: "M-21",
    meters.KnowsEveryDevice: "M-22",
    meters.LooksUpByTheBarePath: "M-22",
    meters.SellsToLookUp: "M-22",
    meters.TakesNoAnswerForUnknown: "M-23",
    meters.ReadsWithoutAZone: "M-29",
    meters.ClearsByAnEnergyGrant: "M-37",
    meters.SwitchesByCode: "M-38",
    # recovery
    meters.SaysRemoteIsHarmless: "M-39",
    meters.NewKeyEachAttempt: "M-41",
    meters.KeyWithTheAttempt: "M-46",
    meters.SaysKeyedButIsBlind: "M-41",
    meters.SaysStateButAddsUp: "M-42",
    meters.TargetFromTheClock: "M-42",
    meters.CountsByItself: "M-43",
    meters.FindsTheNewestSale: "M-44",
    meters.NeverFinds: "M-44",
    meters.SellsToFind: "M-44",
    meters.TakesNoAnswerForNotFound: "M-44",
    meters.CountsWithoutBlocking: "M-45",
    meters.SellsWhilePreparing: "M-45",
    meters.CountsWithoutState: "M-46",
    # isolation and conduct
    meters.SharesItsClient: "M-35",
    meters.KeepsTheDeviceInSelf: "M-36",
    meters.CallsByItself: "C-20",
    meters.StartsAThread: "C-20",
    meters.WritesAFile: "C-20",
    meters.AsksTheSystemForTheTime: "C-21",
    meters.Prints: "C-22",
    meters.ChangesTheCharge: "C-23",
    meters.TrustsTheMembers: "C-24",
    meters.LogsItsKey: "C-25",
    meters.LogsTheToken: "C-25",
    meters.RepeatsWhatTheVendorSays: "C-25",
    meters.ShowsItsKey: "C-25",
    meters.PutsItsKeyIntoErrors: "C-25",
    meters.KeepsItsKeyAsText: "C-25",
    # the class and what it declares
    meters.MisspellsAHook: "C-02",
    meters.KeywordOnly: "C-02",
    meters.WithADefault: "C-02",
    meters.AsynchronousHook: "C-02",
    meters.WithoutTheHookItPromises: "C-02",
    meters.EqualInstances: "C-03",
    meters.UnhashableInstances: "C-03",
    meters.PatientManifest: "C-04",
    meters.LimitsTheWrongWayRound: "C-04",
    meters.InventedMeaning: "C-04",
    meters.SeenTomorrow: "C-04",
    meters.ConnectsAtOnce: "C-05",
    meters.OneSimulator: "C-06",
    meters.SimulatorOfTheInstance: "C-06",
    meters.TakesAnyFault: "C-06",
    meters.HidesItsHost: "C-07",
    meters.AlwaysWell: "C-08",
    meters.NeverWell: "C-08",
    meters.CheckThatRaises: "C-08",
    meters.SettingWithoutHelp: "S-01",
    meters.SettingsThatChange: "S-02",
    meters.KeyIsNoSecret: "S-03",
    meters.SettingsThatShowTheKey: "S-03",
    meters.ChecksThatRaiseAnything: "S-04",
    meters.UrlOfAnyText: "S-05",
    meters.UrlWithoutExample: "S-06",
    meters.DefaultThatIsNoChoice: "S-08",
    meters.SecretWithADefault: "S-11",
    # how telecoms' calls are read
    payments.AmountsAsFloat: "T-01",
    payments.SerialsWithoutZeros: "T-01",
    payments.SerialsWithBlanks: "T-01",
    payments.NoPayer: "T-01",
    payments.ReferenceOfTheMoment: "T-02",
    payments.ReferenceOfTheDevice: "T-02",
    payments.PointsNowhere: "T-02",
    payments.AsksAboutAnother: "T-03",
    payments.CountsItsCalls: "T-04",
    payments.AmountsInShillings: "T-05",
    payments.AnotherPayerPerSpelling: "T-06",
    payments.LetsEverybodyIn: "T-07",
    payments.ReadsBeforeItAsks: "T-07",
    payments.TellsWhatWasExpected: "T-07",
    payments.LetsUnsignedIn: "T-08",
    payments.TrustsTheBody: "T-09",
    payments.AmountsOfAnyForm: "T-10",
    payments.NamesNoFields: "T-11",
    payments.RepeatsTheBody: "T-11",
    payments.RemembersTheAmount: "T-12",
    payments.SharesItsSecret: "T-13",
    payments.StaleBecomesAnother: "T-14",
    payments.ReadsByTheSystemsClock: "C-21",
    # how telecoms are answered
    payments.KnowsNotEveryDecision: "T-20",
    payments.RandomInItsReply: "T-20",
    payments.NoIsTheDefault: "T-21",
    payments.YesToConflicts: "T-22",
    payments.AcceptedWithANumber: "T-23",
    payments.MaybeIsYes: "T-24",
    payments.YesInOtherWords: "T-24",
    payments.HeldIsUnpaid: "T-25",
    payments.TellsStrangersWhy: "T-26",
    payments.ObjectsInPrivateWords: "C-09",
    payments.ObjectsAtRandom: "C-09",
    payments.FailsToHear: "C-10",
    # how phones are prompted
    payments.PushSilenceIsNo: "P-02",
    payments.PushesAgain: "P-03",
    payments.PushTrustsEverything: "P-07",
    payments.PushesWithoutAKey: "P-20",
    payments.QueryPushes: "P-21",
    payments.QueryTroubleIsNo: "P-22",
    payments.UnknownPushFailed: "P-23",
    payments.PushDoubtsEveryLogin: "P-24",
    payments.ReportsOnce: "P-25",
    # messengers
    messages.SilenceIsNotSent: "G-02",
    messages.TriesAgain: "G-03",
    messages.ErrorsAreRefusals: "G-04",
    messages.DoesNotSayThrottled: "G-05",
    messages.TrustsTheGateway: "G-07",
    messages.CutsTexts: "G-20",
    messages.PlainLetters: "G-20",
    messages.SendsTwice: "G-20",
    messages.FailedIsAReceipt: "G-21",
    messages.NoSegments: "G-21",
    messages.LongReference: "G-21",
    messages.ReferenceOfTwoLines: "G-21",
    messages.CostAsNumber: "G-21",
    messages.CostAsSentence: "G-21",
    messages.NewKeyEachTime: "G-22",
    messages.DoubtsTheLogin: "G-23",
    messages.SharesItsGateway: "G-24",
    messages.KeepsTheMessageInSelf: "G-25",
    messages.LogsTheMessage: "C-25",
    messages.LogsThePhone: "C-25",
    messages.TrustsReports: "C-26",
    messages.RandomReplies: "C-27",
}


# other rules that must see the same faults
SEEN_TOO = (
    (meters.TakesSilenceForNotSent, "M-10"),
    (meters.TakesTroubleForNo, "M-11"),
    (meters.TakesTroubleForNo, "M-12"),
    (meters.TakesTroubleForNo, "M-18"),
    (meters.AsksAgain, "M-40"),
    (meters.NewKeyEachAttempt, "M-46"),
    (meters.SaysKeyedButIsBlind, "M-46"),
    (meters.SaysStateButAddsUp, "M-46"),
    (meters.TargetFromTheClock, "M-46"),
    (meters.SellsToFind, "M-46"),
    (meters.NeverFinds, "M-46"),
    (meters.CountsWithoutState, "M-30"),
    (meters.DefaultThatIsNoChoice, "S-09"),
    (meters.DefaultThatIsNoChoice, "S-10"),
)


@pytest.mark.parametrize(
    ("plugin_class", "number"),
    [
        pytest.param(plugin_class, number, id=f"{number} {plugin_class.__name__}")
        for plugin_class, number in (*CATALOGUE.items(), *SEEN_TOO)
    ],
)
def test_a_seeded_fault_is_caught_by_its_rule(workshop, plugin_class, number):
    case = Case(subject=subject_of(plugin_class), workshop=workshop, examples=30, shrink=False)

    with pytest.raises(RuleBroken) as caught:
        RULES[number].check(case)

    assert str(caught.value).startswith(f"{number} {RULES[number].title} (plugin acme-pay")
    assert "\n  seen:  " in str(caught.value)
    assert "\n  write: " in str(caught.value)


def faults_of(module: ModuleType) -> set[type]:
    return {
        thing
        for name, thing in vars(module).items()
        if isinstance(thing, type) and thing.__module__ == module.__name__ and name[0] != "_"
    }


def test_the_catalogue_holds_every_fault_there_is():
    assert set(CATALOGUE) == faults_of(meters) | faults_of(payments) | faults_of(messages)
    assert len(CATALOGUE) >= 40
