package import MilvusWire

/// Turns what is read of a log into lines, chosen and counted: what `tail`, `dump` and `decode` print.
package actor LogShow: LogReadSink {
  package struct Options: Sendable {
    package var filter = LogFilter()
    package var view = ReadableMessage.Options()
    /// One JSON object for each message instead of text (`LogMessageView`), with `collection` and `database` where they are known.
    package var isJSON = false
    /// Text: the first line alone.
    package var isBrief = false
    /// Messages after which it is enough.
    package var countMax: Int?
    package init() {}
  }
  package enum Line: Sendable, Equatable {
    case result(String)
    /// For the person in front of it, not for what reads the results.
    case note(String)
    case warning(String)
  }

  private let options: Options
  private let emit: @Sendable (Line) -> Void
  private var book: NameBook
  package private(set) var shown = 0
  package private(set) var read = 0

  package init(_ options: Options, book: NameBook = NameBook(), emit: @escaping @Sendable (Line) -> Void) {
    self.options = options
    self.book = book
    self.emit = emit
  }

  /// Of an insert of many rows a person who asks for a key wants the rows that have it.
  private func views(choosing rows: [Int]?) -> (LogMessageView, LogMessageText) {
    var shown = options.view
    shown.rowsChosen = rows
    var textOptions = LogMessageText.Options()
    textOptions.showsContent = !options.isBrief
    let view = LogMessageView(shown)
    return (view, LogMessageText(view, textOptions))
  }

  package func take(_ event: LogReadEvent) -> Bool {
    switch event {
    case .note(let text): emit(.note(text))
    case .warning(let text): emit(.warning(text))
    case .message(let message, let pchannel): show(message, pchannel: pchannel)
    }
    return options.countMax.map { shown < $0 } ?? true
  }

  private func show(_ message: LogMessage, pchannel: String) {
    read = read.addingReportingOverflow(1).partialValue
    let subject = LogSubject(message)
    // A rename is shown under the new name, as it is found from then on.
    book.learn(message, subject)
    let path = book.path(subject)
    guard options.filter.takes(message, path: path, subject: subject, book: book) else { return }
    if let countMax = options.countMax, shown >= countMax { return }
    shown += 1
    let (view, text) = views(choosing: options.filter.rows(of: message, subject, book))
    guard options.isJSON else {
      for line in text.lines(message, pchannel: pchannel, collection: path?.description) { emit(.result(line)) }
      return
    }
    guard case .object(var object) = view.json(of: message, pchannel: pchannel) else { return }
    if let path { (object["database"], object["collection"]) = (.string(path.database), .string(path.name)) }
    emit(.result(JSONWriter().text(of: .object(object))))
  }
}

/// Times as a person gives them on a command line.
package enum TickNotation {
  /// A tick as the log has it, or RFC 3339; nil for anything else.
  package static func tick(_ text: String) -> TimeTick? {
    if let number = UInt64(text) { return TimeTick(number) }
    guard let milliseconds = CivilTime.unixMilliseconds(rfc3339: text), milliseconds >= 0 else { return nil }
    return TimeTick(UInt64(milliseconds) << 18)
  }
}
