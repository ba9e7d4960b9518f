using System.Text.Json.Nodes;
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

    [Fact]
    public void OpenApiDocument_Committed_HasEveryCode() =>
        Assert.Equal(ProblemCode.All.Select(c => c.Name), JsonNode.Parse(File.ReadAllText(Manifest.RepositoryFile("docs/openapi.json")))!
            ["components"]!["schemas"]!["Problem"]!["properties"]!["code"]!["x-extensible-enum"]!.AsArray().Select(c => c!.GetValue<string>()));

    private static IEnumerable<string> Documented(string page) =>
        Rows().Matches(File.ReadAllText(Manifest.RepositoryFile(page))).Select(row => $"{row.Groups["status"]} {row.Groups["code"]}");

    // | 401 + WWW-Authenticate | `credentials_invalid` | when |
    [GeneratedRegex(@"^\| (?<status>\d{3})[^|]* \| `(?<code>\w+)` \| [^|]+ \|\r?$", RegexOptions.Multiline)]
    private static partial Regex Rows();
}
