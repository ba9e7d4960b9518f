using System.Globalization;
using System.Reflection;
using Xunit.v3;

namespace UserSvc.Tests.Infrastructure;

/// <summary>
/// Marks tests of whole processes, the browser or publishing. <c>./test.sh --quick</c> skips them, and each prints its name when it starts.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class ScenarioAttribute : BeforeAfterTestAttribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Kind", "Scenario")];

    public override void Before(MethodInfo methodUnderTest, IXunitTest test) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetLocalNow():HH:mm:ss} {test.TestDisplayName}"));
}
