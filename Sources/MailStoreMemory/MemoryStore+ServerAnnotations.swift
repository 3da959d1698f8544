public import MailStore

extension MemoryStore {
  public func serverAnnotations() async throws(StoreError) -> [Annotation] {
    try await read { state throws(StoreError) in state.serverAnnotations }
  }

  public func setServerAnnotations(
    _ changes: [AnnotationChange], limits: AnnotationLimits
  ) async throws(StoreError) -> Bool {
    try await write { state throws(StoreError) in
      guard let after = state.serverAnnotations.applying(changes, limits) else { return false }
      guard after != state.serverAnnotations else { return true }
      state.serverAnnotations = after
      state.annotated.append(AnnotatedPlace(server: changes))
      return true
    }
  }
}
