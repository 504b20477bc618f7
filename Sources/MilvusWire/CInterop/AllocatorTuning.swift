internal import CPlatform

/// What becomes of memory that was given back.
package enum AllocatorTuning {
  /// Messages and requests with rows are buffers of some MiB that come and go many times a second. By itself the allocator returns each to
  /// the kernel and takes new, zeroed pages for the next one, which costs a tenth of the processor time of copying; here they are
  /// used again. At most `kept` stays with each arena, and there are two: more would each keep their own.
  package static func reuseBuffers() {
    _ = mallopt(M_ARENA_MAX, arenas)
    _ = mallopt(M_MMAP_THRESHOLD, reusedUpTo)
    _ = mallopt(M_TRIM_THRESHOLD, kept)
  }
  private static let arenas: Int32 = 2
  private static let reusedUpTo: Int32 = 8 << 20
  private static let kept: Int32 = 8 << 20
}
