namespace UserSvc.Tests.Chaos;

/// <summary>Scenarios run one by one and beside no other test: each loads the whole machine.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class OneByOne : ICollectionFixture<SharedSystem>;
