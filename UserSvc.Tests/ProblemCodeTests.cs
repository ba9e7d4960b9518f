using System.Text.RegularExpressions;
using UserSvc.ServiceDefaults;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests;

public sealed partial class ProblemCodeTests
{
    [Fact]
    public void TableOfErrors_OfTheApi_HasEveryCode() =>
        Assert.Equal(ProblemCode.All.Select(c => $"{c.Status} {c.Name}").Order(), Documented("docs/api.md").Order());

    [Fact]
    public void TableOfErrors_OfTheEdge_HasOnlyCodesOfTheApi() =>
        Assert.Empty(Documented("docs/edge.md").Except(Documented("docs/api.md")));

    private static IEnumerable<string> Documented(string page) =>
        Rows().Matches(File.ReadAllText(Manifest.RepositoryFile(page))).Select(row => $"{row.Groups["status"]} {row.Groups["code"]}");

    // | 401 + WWW-Authenticate | `credentials_invalid` | when |
    [GeneratedRegex(@"^\| (?<status>\d{3})[^|]* \| `(?<code>\w+)` \| [^|]+ \|\r?$", RegexOptions.Multiline)]
    private static partial Regex Rows();
}
