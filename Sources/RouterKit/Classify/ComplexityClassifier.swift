/// Predicts how well models of each capability tier would answer a request.
///
/// Conformances must be pure and deterministic: the same request gives the same assessment, so that a decision can
/// be replayed. `assess` runs on an event-loop thread, synchronously, with a budget of 100 microseconds; it must
/// neither block nor throw, and must answer `support` 0 rather than guess when it does not know.
public protocol ComplexityClassifier: Sendable {
    /// Names the classifier and its coefficients, for example "heuristic-1"; changes when predictions change.
    var version: String { get }

    /// Judges `request`.
    func assess(_ request: borrowing RequestView) -> Assessment

    /// This classifier prepared for a pool: one that knows some of the models by name predicts those by name.
    ///
    /// Called once per configuration, never per request. The default is the classifier itself.
    func bound(to cards: [ModelCard]) -> any ComplexityClassifier

    /// What speaks for `stronger` against `weaker`; `nil` when this classifier cannot say.
    ///
    /// Called only to explain a choice, never to make one. The default is `nil`.
    func evidence(
        for request: borrowing RequestView, between stronger: borrowing ModelCard, and weaker: borrowing ModelCard
    ) -> Evidence?
}

extension ComplexityClassifier {
    /// The classifier itself: it knows tiers only.
    public func bound(to cards: [ModelCard]) -> any ComplexityClassifier { self }

    /// Nothing.
    public func evidence(
        for request: borrowing RequestView, between stronger: borrowing ModelCard, and weaker: borrowing ModelCard
    ) -> Evidence? { nil }
}
