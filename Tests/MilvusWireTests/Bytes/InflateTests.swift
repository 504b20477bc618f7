import Testing

@testable internal import MilvusWire

/// What Python 3.11's zlib and gzip packed (zlib 1.3), in base64, with the length and the CRC-32 of what they were given.
@Suite struct InflateTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var encoding: String
    var byteCount: Int
    var sum: UInt32
    var packed: String
    var bytes: [UInt8] { Base64.decode(packed) ?? [] }
    var testDescription: String { name }
  }

  static let cases = [
    Case(
      name: "empty", encoding: "gzip", byteCount: 0, sum: 0,
      packed: "H4sIAAAAAAAAAwMAAAAAAAAAAAA="),
    Case(
      name: "one byte", encoding: "gzip", byteCount: 1, sum: 2363233923,
      packed: "H4sIAAAAAAAAA6sAAIMW3IwBAAAA"),
    Case(
      name: "fixed codes", encoding: "gzip", byteCount: 60, sum: 1980603350,
      packed: "H4sIAAAAAAAEA0vOSMzLS81RSM7PyUlNLsnMz1MoSCwqyQSzSjKTsxVyM3PKSosVclOLixPTUxVSUnNSS1LBogDWmw12PAAAAA=="),
    Case(
      name: "own codes", encoding: "gzip", byteCount: 3053, sum: 874463677,
      packed:
        "H4sIAAAAAAACA4VW0XKDMAz7FX6tx3IdNwq7Qvv9W8EGyVbCw0Yhji0rtpz++zZNZez6eRxLvw7z1P3enuuw/VqH/qd7DOP7tXSPsiy3e+m+yl"
        + "jW4l+HaSnPtXv/b52fsDNYj/N9d2aGvUVlZ2AMcCzE5ytHszf35U8Pbcv28Cwokj3YUjJhllsOvEuDtjinA4Cf4yT6YC2lt3v213OPU6vgIzKj"
        + "51x0hmwh8OfxLnKzjxtBn3deDeCPUFREoSgsHy+RBHsLFV5FnqHiNCc7jg9SjhrdJycGXXqlgr84FV3ZORs+lJDbQT5XeTt1cwz1ya2Sief6d+"
        + "/QppwFVwPH0K3uIYPrXY1ClWbJwd5p5mkwD20K0RNmsxdxtu3nv9STwHzo4qrqCug6sQSz0mvRa7MaYm6nsdzGzV5VFuUFmcffqQEFNDjAyiw4"
        + "OkIIaqKZmiaSqUuSjfWk5MXawAxU4byBXslMorrq4ZqZVPoNREALh8NHke/zxSFrneqJvnXjAM3AzCIOOeLdmAaOPItAWEoQGBC4EVPWfwDhf2"
        + "GEVVSpUcZtSQtHl463vSVOfzlZAo25a+DclO7EXguMcOvVQV7wEMBSmbp4841D+ruuV3UvlhLJasGDNfnjCwteNaEssbhjwqgQUHdnoD+9QR80"
        + "7QsAAA=="),
    Case(
      name: "codes without repeats", encoding: "gzip", byteCount: 700, sum: 2538415737,
      packed:
        "H4sIAAAAAAAEAwXBgY3EMAgEwFa2NYusfOgxRLBx/T9jv5XJgFUETV6Jd7VcXgm5/eF43G9wOLM28TAo4njcb+A5bOHSVI13tVxeicOZtYmHQR"
        + "FRG3L7w6WpGvZbmQw8DIo4HvcbPAyKiNqwiqDJK+E5bCFqw3PYwqWpGp7DFuy3Mhmw38pk4HBmbcJz2ILnsIXjcb/B8bjf4GFQxMOgCM9hC57D"
        + "FqwiaPJKvKvl8ko8DIqQ2x8eBkV4Dlt4GBQRtWEVQZNX4njcb/CulssrEbXhOWzBc9iCVQRNXolLUzXe1XJ5JawiaPJK2G9lMmC/lcnA8bjfwH"
        + "4rk4F3tVxeiUtTNawiaPJKvKvl8kpYRdDklTicWZt4V8vllfActnA4szZxOLM24Tls4Xjcb2AVQZNX4njcb/CulssrEbVxPO43kNsfojbe1XJ5"
        + "JaI27LcyGTge9xsczqxNHI/7DTyHLdhvZTLwMCji0lSNh0ERhzNrE+9qubwS8n95Jk2XvAIAAA=="),
    Case(
      name: "one repeated byte", encoding: "gzip", byteCount: 3000, sum: 3666238221,
      packed: "H4sIAAAAAAACA+3BMQEAAADCoPVPbQ0PoAAAgHcDDVuG2rgLAAA="),
    Case(
      name: "stored", encoding: "gzip", byteCount: 300, sum: 3402421064,
      packed:
        "H4sIAAAAAAAEAwEsAdP+7iGbAd2S8Z9JVPT+qU7ZGCN1iCsgDarbI8/5GT8+cDhEleBMXV7TUiJtFjfCJI8dPMxEBd0uofr6tL8cRpZNlHCGIH"
        + "iCkUR4vujHW0MJrisSLj/oesfs9aU3D8QbTdtyOyr7bEfAtXiUqrLFwUW3l925Em5cyiAxEhBfZ2QU+vayANrwmdul7uwzYk9RJL/F8E2COI5S"
        + "kngQ9hCwvKEeC+nxTzymleh6UxFmDHYozbqfXu+5kCLvU3tZahbcigPsH+fSVhcRszAkefsv8Rt8Gf7LHhiC0OScGhNjW85gdyugNyxSJm0I4b"
        + "f52MBDBp3lcjtHn/cshs6gQ0Ip8X0r232NH/x/GGaSvzIk16DCAJJDDuJJCRjaiTbDQqQhnFZGhv6lkhEgDg4+GUK2SNPMyiwBAAA="),
    Case(
      name: "a name in the head", encoding: "gzip", byteCount: 100, sum: 3821909582,
      packed:
        "H4sICAEAAAAC/2EgbmFtZS50eHQAVYtRCoBACAWv4tXEHiW5Gmp7/iII6m8YZmRjdxhJmEFaw+ngbH2oVXYaavMsGqjiFbTA0HiteiGb5r1Gfs"
        + "5ffQFOts3jZAAAAA=="),
    Case(
      name: "two members", encoding: "gzip", byteCount: 70, sum: 3276718515,
      packed:
        "H4sIAAAAAAAAAx3G0QkAIAgFwFXeamJSklmkNX/QfR03chcDTzPh1OlYtFP/UrljqN0TGBJBVVAeBPSA1zIAAAAfiwgAAAAAAAADe6c4m/HupI"
        + "/zPUO+/Fvpd1NCubRDGwDF83b4FAAAAA=="),
    Case(
      name: "zlib", encoding: "deflate", byteCount: 900, sum: 269032281,
      packed:
        "eJyFUlsOwyAMuwpXQyzq0ChMhfX8G+CsJKDti+ZlO27c3cZIwbgUArniUzRPexTfvop3D7P7cL6y2Slnu5G5UaBCnPUx01HM+RlNxzCpukPaOh"
        + "gaHVgl2NA8yAFFzUo2RIzFL1OjjIe3EEx4ZOfSCXS2HeTUWjR4LoBB/swz2TfUpvU6MofXDFu7kj8qgz1XkR1CQfnHfH92Q7IZVGNZVeK/VOKI"
        + "1FFgHz6RSXajUuFiT3Vxa0+6jqpUsmr4CQTSl6ji4H/9lTfDY1kJ"),
  ]

  @Test(arguments: cases) func `what another program packed is unpacked`(packed: Case) throws {
    let plain = try #require(try Inflate.decompress(packed.bytes, encoding: packed.encoding, bytesMax: 1 << 20))
    #expect(plain.count == packed.byteCount)
    #expect(CRC32.of(plain) == packed.sum)
  }

  @Test(arguments: cases) func `bytes that end early are an error, wherever`(packed: Case) {
    for count in 0..<packed.bytes.count {
      // Several members: the end of one is a whole file.
      let result = Result { try Inflate.decompress(Array(packed.bytes.prefix(count)), encoding: packed.encoding, bytesMax: 1 << 20) }
      if packed.name == "two members", case .success = result { continue }
      #expect(throws: Inflate.Failure.self) { try result.get() }
    }
  }

  @Test(arguments: cases) func `damaged bytes never trap and never grow beyond the limit`(packed: Case) {
    var random = SeededGenerator(seed: 7)
    let whole = packed.bytes
    for _ in 0..<500 where !whole.isEmpty {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let plain = (try? Inflate.decompress(bytes, encoding: packed.encoding, bytesMax: 10_000)) ?? nil
      #expect((plain ?? []).count <= 10_000)
    }
  }

  @Test func `a little that becomes much is refused`() {
    let packed = Self.cases.first { $0.name == "one repeated byte" }
    #expect(throws: Inflate.Failure.tooLarge(bytesMax: 2999)) {
      try Inflate.gzip(packed?.bytes ?? [], bytesMax: 2999)
    }
    #expect(throws: Never.self) { try Inflate.gzip(packed?.bytes ?? [], bytesMax: 3000) }
  }

  @Test func `other encodings are not known, and none is none`() throws {
    #expect(try Inflate.decompress([1], encoding: "snappy", bytesMax: 10) == nil)
    #expect(try Inflate.decompress([1], encoding: "identity", bytesMax: 10) == [1])
  }
}
