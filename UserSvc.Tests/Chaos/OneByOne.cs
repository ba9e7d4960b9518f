namespace UserSvc.Tests.Chaos;

/// <summary>Scenarios run one at a time and without other tests, because each loads the whole machine.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class OneByOne : ICollectionFixture<SharedSystem>;
