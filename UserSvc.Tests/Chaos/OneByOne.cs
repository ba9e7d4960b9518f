namespace UserSvc.Tests.Chaos;

/// <summary>Scenarios run one by one and beside no other test: they measure times, and their load would disturb the others.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class OneByOne;
