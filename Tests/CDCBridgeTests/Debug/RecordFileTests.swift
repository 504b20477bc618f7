import CDCBridge
import Foundation
import MilvusWire
import TestSupport
import Testing

/// Recordings: what is written is read, and damage anywhere costs no more than its blocks.
@Suite(.timeLimit(.minutes(5))) struct RecordFileTests {
  private func temporary() -> URL {
    FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-record-\(UUID().uuidString)")
  }

  private func read(_ bytes: [UInt8], piece: Int = 4096) throws -> [RecordReader.Found] {
    let rest = Locked(bytes[...])
    var reader = RecordReader(read: { count in
      rest.withLock { rest in
        let part = Array(rest.prefix(min(count, piece)))
        rest = rest.dropFirst(part.count)
        return part
      }
    })
    var found: [RecordReader.Found] = []
    while let next = try reader.next() { found.append(next) }
    return found
  }

  private func messages(_ found: [RecordReader.Found]) -> [LogMessage] {
    found.compactMap { if case .message(let message, _) = $0.item { message } else { nil } }
  }

  private func damages(_ found: [RecordReader.Found]) -> [(offset: Int, bytes: Int)] {
    found.compactMap { if case .damage(let bytes, _) = $0.item { ($0.offset, bytes) } else { nil } }
  }

  /// A recording of a real server's log, in blocks of a few messages.
  private func recording(compresses: Bool, blockMessages: Int = 5, messages count: Int = .max) throws -> (
    bytes: [UInt8], messages: [LogMessage]
  ) {
    let log = try Recordings.log("source")
    let url = temporary()
    defer { try? FileManager.default.removeItem(at: url) }
    let writer = RecordWriter(try LocalFile.appending(url.path), compresses: compresses)
    try writer.begin(["version": 1])
    var all: [LogMessage] = []
    for pchannel in log.pchannels {
      for message in log.units(pchannel).flatMap({ $0 }) where all.count < count && message.byteCount < 2000 {
        try writer.append(message, pchannel: pchannel)
        all.append(message)
        if all.count % blockMessages == 0 { try writer.flush() }
      }
    }
    try writer.note("the end")
    try writer.sync()
    let bytes = Array(try Data(contentsOf: url))
    #expect(writer.totals.fileBytes == bytes.count && writer.totals.messages == all.count)
    let mode = try FileManager.default.attributesOfItem(atPath: url.path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    return (bytes, all)
  }

  @Test(arguments: [true, false], [1, 7, 24, 100_000]) func `what was written is read, in any pieces`(compresses: Bool, piece: Int) throws {
    let (bytes, all) = try recording(compresses: compresses)
    let found = try read(bytes, piece: piece)
    #expect(messages(found) == all)
    #expect(damages(found).isEmpty)
    guard case .head(let head) = found.first?.item, case .note(let note) = found.last?.item else {
      Issue.record("no head or no note")
      return
    }
    #expect(head["version"] == 1 && note == "the end")
    #expect(RecordReader.isRecording(bytes))
    #expect(!RecordReader.isRecording(bytes.dropFirst()))
  }

  @Test func `compressed recordings are smaller`() throws {
    let plain = try recording(compresses: false, blockMessages: .max).bytes.count
    let packed = try recording(compresses: true, blockMessages: .max).bytes.count
    #expect(packed < plain / 2)
  }

  @Test func `recordings may be appended to each other`() throws {
    let (bytes, all) = try recording(compresses: true)
    let found = try read(bytes + bytes)
    #expect(messages(found) == all + all)
  }

  /// A thousand times: one to four bytes changed, removed or put in, anywhere.
  @Test(arguments: [1, 2, 3, 4] as [UInt64]) func `damage is reported at its offset and what is whole comes`(seed: UInt64) throws {
    let (bytes, all) = try recording(compresses: seed % 2 == 0, messages: 40)
    let known = Set(all.map(\.timeTick))
    let blocks = try Set(read(bytes).map(\.offset)).sorted()
    var random = SplitMix(seed: seed)
    for _ in 0..<SearchDepth.rounds(250) {
      var damaged = bytes
      let place = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0: damaged[place] ^= UInt8.random(in: 1...255, using: &random)
      case 1: damaged.removeSubrange(place..<min(damaged.count, place + Int.random(in: 1...40, using: &random)))
      default: damaged.insert(contentsOf: (0..<Int.random(in: 1...40, using: &random)).map { UInt8($0) }, at: place)
      }
      let found = try read(damaged, piece: 1 << 16)
      let left = messages(found)
      // Only messages that were recorded, and all but those of the blocks that were hit.
      #expect(left.allSatisfy { known.contains($0.timeTick) })
      #expect(left.count >= all.count - 15)
      // What replay looks at before it writes anything, from a file.
      if Int.random(in: 0..<5, using: &random) == 0 {
        let url = temporary()
        defer { try? FileManager.default.removeItem(at: url) }
        try Data(damaged).write(to: url)
        let survey = try RecordSurvey(path: url.path)
        #expect(survey.messages == left.count && !survey.damages.isEmpty)
        _ = survey.nativeLines(try NativeRecordCheck(path: url.path, survey: survey, until: nil))
      }
      let block = blocks.last { $0 <= place } ?? 0
      #expect(damages(found).first.map { $0.offset >= block && $0.offset <= place } ?? false, "at \(place)")
    }
  }

  @Test func `a file that was cut off ends with a report`() throws {
    let (bytes, all) = try recording(compresses: true, messages: 40)
    for count in stride(from: 1, to: bytes.count, by: 97) {
      let found = try read(Array(bytes.prefix(count)), piece: 1 << 16)
      #expect(messages(found).count <= all.count)
      #expect(Array(all.prefix(messages(found).count)) == messages(found))
    }
    #expect(try damages(read(Array(bytes.dropLast()))).count == 1)
    #expect(try read([]).isEmpty)
    #expect(try damages(read([1, 2, 3])).first?.bytes == 3)
  }

  /// Everything that is there is given, what is begun is waited for, and nothing is taken for damage.
  @Test(arguments: [1, 37, 997, 40_000]) func `a file is read while it grows`(step: Int) throws {
    let (bytes, all) = try recording(compresses: true, messages: 30)
    let (written, taken) = (Locked(0), Locked(0))
    var reader = RecordReader(read: { count in
      let from = taken.withLock { $0 }
      let part = Array(bytes[from..<min(from + count, written.withLock { $0 })])
      taken.withLock { $0 += part.count }
      return part
    })
    reader.isGrowing = true
    var found: [RecordReader.Found] = []
    for end in stride(from: 0, to: bytes.count + step, by: step) {
      written.withLock { $0 = min(end, bytes.count) }
      while let next = try reader.next() { found.append(next) }
    }
    #expect(messages(found) == all)
    #expect(damages(found).isEmpty)
  }

  // MARK: Parts

  @Test func `sums are CRC-32C`() {
    #expect(CRC32C.of(Array("123456789".utf8)) == 0xE306_9283)
    #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
  }

  @Test func `blocks of LZ4 are unpacked as they were`() throws {
    var random = SplitMix(seed: 5)
    for size in [65, 100, 1000, 70_000, 300_000] {
      for words in [2, 20, 2000] {
        let input = (0..<size).map { _ in UInt8(truncatingIfNeeded: Int.random(in: 0..<words, using: &random) * 7) }
        guard let packed = LZ4Block.compress(input) else { continue }
        #expect(packed.count < input.count)
        #expect(LZ4Block.decompress(packed[...], count: input.count) == input)
        #expect(LZ4Block.decompress(packed[...], count: input.count + 1) == nil)
        #expect(LZ4Block.decompress(packed.dropLast(), count: input.count) == nil)
      }
    }
    let zeros = [UInt8](repeating: 0, count: 100_000)
    let packed = try #require(LZ4Block.compress(zeros))
    #expect(packed.count < 500)
    #expect(LZ4Block.decompress(packed[...], count: zeros.count) == zeros)
    #expect(LZ4Block.compress((0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }) == nil)
  }

  /// As another implementation writes them (lz4 "Block Format Description"): literals, a match that overlaps itself, literals.
  @Test func `a block written by hand is unpacked`() {
    let block: [UInt8] = [0x14, UInt8(ascii: "a"), 1, 0, 0x50] + Array("hello".utf8)
    #expect(LZ4Block.decompress(block[...], count: 14) == Array("aaaaaaaaahello".utf8))
    for bad in [[0x14, 0x61, 0, 0, 0], [0x14, 0x61, 2, 0, 0], [0xF0], [0xF0, 255, 255], [0x10]] as [[UInt8]] {
      #expect(LZ4Block.decompress(bad[...], count: 14) == nil)
    }
  }

  @Test func `damaged blocks of LZ4 never trap`() {
    var random = SplitMix(seed: 9)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      _ = LZ4Block.decompress(bytes[...], count: Int.random(in: 0..<500, using: &random))
    }
  }
}
