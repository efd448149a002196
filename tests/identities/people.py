# ruff: noqa: E501  (tables of attributes read better in one line)
"""People who do not exist, in several scripts, and everything that would identify them."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

ROOT = "1.2.276.0.7230010.99"
"""Root of the invented UIDs."""


@dataclass(frozen=True)
class Person:
    """One invented patient, with the people, places and machines of the visit."""

    key: str
    name: str
    charset: str | list[str]
    patient_id: str
    accession: str
    birth: str
    study_date: str
    address: str
    phone: str
    institution: str
    physician: str
    operator: str
    serial: str
    station: str
    number: int

    def uid(self, *parts: int) -> str:
        """Return one of the person's UIDs."""
        return ".".join((ROOT, str(4711 + self.number), *map(str, parts)))

    def extra(self, number: int) -> str:
        """Return an id that stands in one place of one file only."""
        return f"Q{self.number}X-{77003 + 131 * number}-{number:02}"

    @property
    def words(self) -> tuple[str, ...]:
        """The parts of the name in all component groups, without empty ones."""
        groups = [group.split("^")[:2] for group in self.name.split("=")]
        return tuple(part for parts in groups for part in parts if part)

    @property
    def said(self) -> str:
        """The family name as free text gives it, with the given name where it is a common word."""
        alone = len(self.words[0]) > 4
        return self.words[0] if alone else f"{self.words[0]}, {self.words[1]}"

    def spelled_birth(self) -> tuple[str, ...]:
        """Return the birth date as people write it."""
        year, month, day = self.birth[:4], self.birth[4:6], self.birth[6:]
        names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        mon = names[int(month) - 1]
        return (
            self.birth,
            f"{year}-{month}-{day}",
            f"{day}.{month}.{year}",
            f"{month}/{day}/{year}",
            f"{day}-{mon.upper()}-{year}",
            f"{int(day)} {mon} {year}",
        )


PEOPLE = (
    Person("latin", "Grünqvist-Österlund^Renée Zoë^^Dr.", "ISO_IR 100", "MRN-8830417", "ACC5550917",
           "19570312", "20190823", "Ahornzeile 17, 99998 Nirgendheim", "+49 5550 918273",
           "Klinikum Nirgendheim", "Vandersloot^Quirijn", "Oyelaran^Folasade", "SN-90417-KX", "NIRGCT07", 1),
    Person("japanese", "Kurosugi^Haruto=黒杉^晴斗=くろすぎ^はると", ["", "ISO 2022 IR 87"], "JP4410-2290",
           "A20190044", "19631105", "20180214", "Mihara 4-22-9 Kitanomachi", "03-5550-4417",
           "Kitanomachi Hospital", "Shirabane^Tsukasa", "Amamori^Ritsu", "TK88310-5", "KITAMR02", 2),
    Person("korean", "Pyeongang^Seonbit=평강^선빛=평강^선빛", ["", "ISO 2022 IR 149"], "KR-771-0932",
           "ACCKR00917", "19710730", "20200611", "Haneulbyeolro 81, Bitgoeul", "02-5550-7731",
           "Bitgoeul Medical Center", "Dalmuri^Areum", "Nurimaru^Garam", "KX5501-77", "BITGPT01", 3),
    Person("greek", "Papakalliopoulos^Aristoboulos=Παπακαλλιόπουλος^Αριστόβουλος", "ISO_IR 126",
           "GR0099182", "ACCGR4471", "19480229", "20170405", "Odos Anemonis 44, Ouranoupoli",
           "+30 555 0917 44", "Ouranoupoli General", "Xenokratidis^Philemon", "Melissanthi^Thaleia",
           "GRX-22918", "OURAXA03", 4),
    Person("arabic", "Qasibanalwadi^Munirah=قصيبانالوادي^منيرة", "ISO_IR 127", "AR-5507718", "ACCAR8871",
           "19800817", "20160930", "Shari Alyasmin 90, Wadialzahr", "+966 5550 77180",
           "Wadialzahr Clinic", "Zahrawani^Idrisuddin", "Badrakhan^Lujaynah", "AX-00718-B", "WADIUS04", 5),
    Person("english-words", "Head^May", "ISO_IR 6", "HM-2290017", "ACCHM3321", "19450508",
           "20210121", "9 Quillfeather Crescent, Dunmarrow", "555-0173-8842",
           "Dunmarrow Infirmary", "Long^Hand", "King^Rose", "DX-77120-M", "DUNMDX05", 6),
    Person("short", "Ng^Bo^^^", "ISO_IR 192", "NB5520318", "ACCNB0078", "19991231", "20220707",
           "Unit 5 Pelliclestraat, Vuurtorendam", "+31 555 091 7764", "Vuurtorendam Ziekenhuis",
           "O'Quillebeuf^Aoife-Maelle", "Wu^Li", "VX-30097-Z", "VUURRF06", 7),
)  # fmt: skip
"""Nobody: names, places and numbers were made up for these tests."""


def registry(person: Person) -> Dataset:
    """Return a source data set that holds all that is known of a person."""
    made = Dataset()
    made.SpecificCharacterSet = person.charset
    made.PatientName = person.name
    made.PatientID = person.patient_id
    made.OtherPatientIDs = [person.extra(number) for number in range(12)]
    made.AccessionNumber = person.accession
    made.PatientBirthDate = person.birth
    made.StudyDate = person.study_date
    made.PatientAddress = person.address
    made.PatientTelephoneNumbers = person.phone
    made.InstitutionName = person.institution
    made.ReferringPhysicianName = person.physician
    made.OperatorsName = person.operator
    made.DeviceSerialNumber = person.serial
    made.StationName = person.station
    made.StudyInstanceUID = person.uid(1)
    return made
