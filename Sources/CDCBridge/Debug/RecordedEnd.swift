internal import MilvusWire

/// A recording that is written while it is replayed: which channels it will have, and when it is over.
enum RecordedEnd {
  private static let look = Duration.milliseconds(500)

  /// Runs `body` until the recording has been ended in good order, then cancels it and returns; or until `body` ends by itself.
  static func following(_ path: String, _ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await body()
        return true
      }
      group.addTask {
        try await wait(path)
        return false
      }
      let first = await group.nextResult()
      group.cancelAll()
      while await group.nextResult() != nil {}
      if case .failure(let error)? = first { throw error }
    }
  }

  /// Returns when an end is the last thing in the file, or the task is cancelled.
  private static func wait(_ path: String) async throws {
    var reader = RecordReader(try LocalFile.reading(path))
    reader.isGrowing = true
    var isEnded = false
    while !Task.isCancelled {
      while let found = try reader.next() {
        if case .end = found.item { isEnded = true } else { isEnded = false }
        if Task.isCancelled { return }
      }
      if isEnded { return }
      try? await Task.sleep(for: look)
    }
  }
}

extension RecordSurvey {
  /// The channel of the schema changes.
  var control: String {
    if !controlChannel.isEmpty { return controlChannel }
    let names = Set(channels).union(starts.keys).sorted(by: LogSurvey.isBefore)
    return names.first.map { ChannelName.control(ofPchannel: $0) } ?? ""
  }
}

extension RecordedSource {
  /// Every channel that the recording's head names, with rows or without; each begins where the recording did.
  static func channels(following survey: RecordSurvey) throws(BridgeError) -> [String: Channel] {
    guard !survey.starts.isEmpty else {
      throw Replay.refusal(
        "the recording does not name its channels, so it cannot be followed while it grows: it was made by an older version or by tap",
        "Replay it without --follow when it is complete, or record it again.")
    }
    var channels: [String: Channel] = [:]
    for (name, start) in survey.starts {
      let from = TimeTick(max(1, start.tick.rawValue) &- 1)
      // A recording of everything that could be read does not know its first tick beforehand.
      let before = start.tick.rawValue > 0 ? from : TimeTick(1)
      channels[name] = Channel(first: before.next, last: before, kind: start.id.kind, confirmed: start.id, after: before)
    }
    return channels
  }

  /// The same channels, with the same beginnings, now that all of the file is there.
  func channels(upTo survey: RecordSurvey) throws -> [String: Channel] {
    var channels = channels
    for (name, place) in survey.places { channels[name]?.last = place.last }
    return channels
  }
}
