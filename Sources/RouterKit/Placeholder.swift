enum RouterKitPlaceholder {}
