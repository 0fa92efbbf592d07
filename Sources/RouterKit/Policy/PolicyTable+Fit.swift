extension PolicyTable {
    /// The entry for `cards` under a classifier of that version, or why there is none.
    public func fit(_ cards: [ModelCard], classifierVersion version: String) -> Fit {
        guard version == classifierVersion else { return .missing(.otherWeights) }
        let names = Set(cards.map(\.name))
        guard
            let pool = pools.first(where: {
                $0.models.count == names.count && names.isSuperset(of: $0.models.map(\.name))
            })
        else { return .missing(.unknownPool) }
        for card in cards where pool.model(named: card.name)?.tier != card.tier || card.price == nil {
            return .missing(.changedModels)
        }
        return .calibrated(pool)
    }
}

extension PolicyTable.Pool {
    /// The trade that keeps `promise` at the prices of `cards`, or why there is none.
    public func trade(keeping promise: Promise, for cards: [ModelCard]) -> Result<Trade, PolicyTable.Gap> {
        for card in cards where card.price != model(named: card.name)?.price { return .failure(.changedPrices) }
        guard let guarantee = guarantees.first(where: { $0.promise.covers(promise) }) else {
            return .failure(.noPromise)
        }
        if let trade = guarantee.trade { return .success(trade) }
        guard guarantee.rowCount < guarantee.neededRowCount else { return .failure(.notProven) }
        return .failure(.tooFewRows(needed: guarantee.neededRowCount, have: guarantee.rowCount))
    }
}
