import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Recordings of real servers: whatever is cut, and wherever reading begins, each plain message and transaction comes once and in order.
@Suite struct RecordingReplayTests {
  /// Reads a whole channel through streams that end as scripted. Without a clock: one call after the other.
  private func read(
    _ log: RecordedLog, _ pchannel: String, from position: LogPosition, cuts: [Int]
  ) async throws -> [String] {
    var reader = PchannelReader(pchannel: pchannel, position: position, transactionBytesMax: 1 << 28)
    log.scriptBounded(cuts.map { .cut(after: $0, RecordedLog.error(.unavailable)) }, on: pchannel)
    // Streams end where the recording does, if nothing cuts them.
    let last = log.units(pchannel).last?.last?.timeTick ?? position.timeTick
    var lines: [String] = []
    for _ in 0...cuts.count {
      var request = reader.openStream()
      request.endTick = max(last, request.startTick)
      let stream = try await log.dump(request)
      do {
        while let message = try await stream.next() {
          for delivery in try reader.received(message) {
            switch delivery {
            case .message(let message, _): lines.append(LogLedger.line([message]))
            case .transaction(let bodies, let commit, _): lines.append(LogLedger.line(bodies + [commit]))
            case .proven: Issue.record("nobody asked")
            case .gap(let gap): lines.append("gap \(gap.reason)")
            }
          }
        }
      } catch let error as CallError {
        #expect(error.rpcCode == .unavailable)
      }
      reader.streamEnded()
    }
    return lines
  }

  private func rest(_ units: [[LogMessage]], after place: Int) -> [String] {
    units[(place + 1)...].map(LogLedger.line(unit:))
  }

  @Test(arguments: Recordings.names)
  func `a start at every position delivers the rest, once and in order`(name: String) async throws {
    let log = try Recordings.log(name)
    var starts = 0
    for pchannel in log.pchannels {
      let units = log.units(pchannel)
      for (place, unit) in units.enumerated() {
        let position = try #require(LogLedger.position(after: unit))
        let lines = try await read(log, pchannel, from: position, cuts: [])
        #expect(lines == rest(units, after: place), "\(pchannel) after unit \(place)")
        starts += 1
      }
    }
    #expect(starts > 8)
  }

  @Test(arguments: Recordings.names)
  func `a cut at every message loses and repeats nothing`(name: String) async throws {
    let log = try Recordings.log(name)
    for pchannel in log.pchannels {
      let units = log.units(pchannel)
      guard let first = units.first, let position = LogLedger.position(after: first) else { continue }
      let wanted = rest(units, after: 0)
      for cut in 0...units.reduce(0, { $0 + $1.count }) {
        let lines = try await read(log, pchannel, from: position, cuts: [cut])
        guard lines == wanted else {
          #expect(lines == wanted, "\(pchannel) cut after \(cut)")
          break
        }
      }
    }
  }

  @Test(arguments: Recordings.names)
  func `a start before everything says so and delivers everything`(name: String) async throws {
    let log = try Recordings.log(name)
    for pchannel in log.pchannels {
      let units = log.units(pchannel)
      let kind = try #require(units.first?.first?.id.kind)
      let earliest = try #require(LogIDFormat.earliest(kind))
      let lines = try await read(
        log, pchannel, from: LogPosition(confirmed: earliest, timeTick: TimeTick(1)), cuts: [3, 10])
      #expect(lines.first?.hasPrefix("gap ") == true)
      #expect(Array(lines.dropFirst()) == units.map(LogLedger.line(unit:)))
    }
  }

  @Test func `a recorded switch of the log is a gap, live and after the fact`() async throws {
    var switches = 0
    for pchannel in try Recordings.log("wal-switch").pchannels {
      let log = try Recordings.log("wal-switch")
      let units = log.units(pchannel)
      let first = try #require(units.first), position = try #require(LogLedger.position(after: first))
      guard first.first?.id.kind == .rocksMQ,
        let change = units.firstIndex(where: { $0.first?.id.kind == .woodPecker })
      else {
        continue
      }
      switches += 1
      let lines = units.map(LogLedger.line(unit:))
      let told = "gap kindChanged(from: RocksMQ, to: WoodPecker)"
      #expect(
        try await read(log, pchannel, from: position, cuts: [])
          == Array(lines[1..<change]) + [told] + Array(lines[change...]))
      log.switchLog()
      #expect(try await read(log, pchannel, from: position, cuts: []) == [told] + Array(lines[change...]))
    }
    #expect(switches > 0)
  }

  @Test(arguments: ["source", "source-v3", "source-rocksmq"])
  func `a log that was cut anywhere behind the position is a gap`(name: String) async throws {
    let log = try Recordings.log(name)
    for pchannel in log.pchannels {
      let units = log.units(pchannel)
      let position = try #require(LogLedger.position(after: units[2]))
      for cut in 0..<units.count {
        log.truncate(pchannel, to: cut)
        let lines = try await read(log, pchannel, from: position, cuts: [])
        if cut <= 2 {
          #expect(lines == rest(units, after: 2), "\(pchannel) cut to \(cut)")
        } else {
          let reason = name == "source-rocksmq" ? "gap resetToEarliest" : "gap truncated"
          #expect(lines == [reason] + units[cut...].map(LogLedger.line(unit:)), "\(pchannel) cut to \(cut)")
        }
      }
    }
  }
}
