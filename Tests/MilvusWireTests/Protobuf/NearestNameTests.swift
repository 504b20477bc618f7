import MilvusWire
import Testing

@Suite struct NearestNameTests {
  private let names = ["DescribeCollection", "DropCollection", "ShowCollections", "Query", "Search", "Insert"]

  @Test func slipsAreRecognised() {
    #expect(NearestName.hint("describecollecton", among: names) == " Did you mean 'DescribeCollection'?")
    #expect(NearestName.hint("Qeury", among: names) == " Did you mean 'Query'?")
    #expect(NearestName.hint("Zzzzzz", among: names) == "")
    #expect(NearestName.hint("x", among: []) == "")
  }

  @Test func theNearestComesFirstAndPartsOfNamesCount() {
    #expect(NearestName.nearest("DropColection", among: names, countMax: 3).first == "DropCollection")
    #expect(NearestName.nearest("Collection", among: names, countMax: 2) == ["DropCollection", "ShowCollections"])
  }

  @Test func aLongWordCostsNothing() {
    #expect(NearestName.nearest(String(repeating: "x", count: 1 << 20), among: names, countMax: 3).isEmpty)
  }
}
